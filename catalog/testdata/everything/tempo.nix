{
  services.tempo.all = { enable = true; httpAddress = "127.0.0.2"; httpPort = 6070; grpcPort = 6071; otlpGrpcPort = 6072; otlpHttpPort = 6073; extraConfig.overrides.defaults.ingestion.max_traces_per_user = 5; extraFlags = [ "-log.level=warn" ]; };
  services.tempo.old = { enable = true; httpPort = 6074; grpcPort = 6075; majorVersion = 2; };
  services.tempo.file = { enable = true; httpPort = 6076; grpcPort = 6077; configFile = "/workspace/user-tempo.yaml"; };
}
