{
  services.loki.all = { enable = true; httpAddress = "127.0.0.2"; httpPort = 6070; grpcPort = 6071; extraConfig.auth_enabled = false; extraFlags = [ "-log.level=warn" ]; };
  services.loki.file = { enable = true; httpPort = 6072; grpcPort = 6073; configFile = "/workspace/user-loki.yaml"; };
}
