{
  services.qdrant.all = { enable = true; host = "127.0.0.2"; httpPort = 6111; grpcPort = 6112; apiKey = "k"; settings.cluster = { enabled = true; p2p.port = 6113; }; extraArgs = [ "--disable-telemetry" ]; };
  services.qdrant.more = { enable = true; httpPort = 6114; grpcPort = 6115; apiKeyFile = "/workspace/user-key"; };
  services.qdrant.shared = { enable = true; httpPort = 6116; grpcPort = 6117; apiKey.secret = "user-secret"; };
  services.qdrant.lent = { enable = true; httpPort = 6118; grpcPort = 6119; apiKeyFile.secret = "user-secret"; };
}
