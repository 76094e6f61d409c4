{
  services.weaviate."vectors" = {
    enable = true;
    modules = [ "text2vec-openai" ];
    environment.QUERY_DEFAULTS_LIMIT = 100;
  };
}
