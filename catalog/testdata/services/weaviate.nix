{
  services.weaviate."vectors" = {
    enable = true;
    openPorts = true; # it listens on all addresses for gRPC
    modules = [ "text2vec-openai" ];
    environment.QUERY_DEFAULTS_LIMIT = 100;
  };
}
