{ services.nats-server.all = { enable = true; port = 6026; bind = "*"; monitorPort = 6027; jetstream = true; settings.tls.cert_file = "/workspace/user-cert"; }; }
