{
  services.redis-cluster."shards" = {
    enable = true;
    replicas = 0;
    nodes = {
      a.port = 7001;
      b.port = 7002;
      c.port = 7003;
    };
    settings.maxmemory = "64mb";
  };
}
