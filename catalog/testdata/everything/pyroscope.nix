{
  services.pyroscope.all = { enable = true; httpAddress = "127.0.0.2"; httpPort = 6070; grpcPort = 6071; memberlistPort = 6072; raftPort = 6073; extraConfig.show_banner = false; extraFlags = [ "-log.level=warn" ]; };
}
