{ services.pubsub-emulator.all = { enable = true; host = "127.0.0.2"; port = 6149; project = "p"; extraArgs = [ "--iam_port=1" ]; jre = null; }; }
