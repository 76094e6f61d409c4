{
  services.seaweedfs.all = {
    enable = true; host = "127.0.0.2"; extraArgs = [ "-metricsPort=6089" ];
    master = { port = 6070; grpcPort = 6071; defaultReplication = "001"; volumeSizeLimitMB = 30; };
    volume = { port = 6072; grpcPort = 6073; max = "0"; };
    filer = { enable = true; port = 6074; grpcPort = 6075; };
    s3 = { enable = true; port = 6076; config = "./user-s3.json"; };
  };
  services.seaweedfs.second = { enable = true; filer.enable = true; s3 = { enable = true; config.secret = "user-secret"; }; };
}
