{ services.chromadb.all = { enable = true; host = "127.0.0.2"; port = 6126; logFile = "/x"; extraArgs = [ "/workspace/user-config.yaml" ]; }; }
