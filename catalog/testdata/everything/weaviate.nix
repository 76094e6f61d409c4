{
  services.weaviate.all = {
    enable = true; openPorts = true; host = "127.0.0.2"; port = 6120; grpcPort = 6121; bindAddress = "127.0.0.3"; gossipPort = 6122; dataPort = 6123; raftPort = 6124; raftRPCPort = 6125;
    modules = [ "text2vec-openai" "generative-openai" ]; extraFlags = [ "--read-timeout=60s" ];
  };
}
