{ services.pgbouncer.all = { enable = true; port = 6054; listenAddress = "*"; databases."*" = "host=127.0.0.1"; users = { a = null; b = "b"; c.secret = "user-secret"; }; authType = "plain"; adminUsers = [ "a" ]; poolMode = "transaction"; openFilesLimit = 500; settings.pgbouncer.max_client_conn = 10; };
  services.pgbouncer.file = { enable = true; port = 6055; authFile = "./user-list"; }; }
