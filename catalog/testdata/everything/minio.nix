{ services.minio.all = { enable = true; port = 6038; host = "127.0.0.2"; consoleAddress = ":6039"; accessKey = "user"; secretKey = "password"; region = "r"; browser = false; buckets = [ "abc" ]; };
  services.minio.secret = { enable = true; port = 6040; consoleAddress = ":6041"; listenAddress = "127.0.0.3:6048"; configDir = "/workspace/user-config"; certificatesDir = "/workspace/user-certs"; accessKeyFile = "./user-name"; secretKeyFile.secret = "user-secret"; };
  services.minio.env = { enable = true; port = 6044; consoleAddress = ":6042"; rootCredentialsFile = "./user-env"; }; }
