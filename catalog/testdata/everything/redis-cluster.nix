{
  services.redis-cluster.all = {
    enable = true; bind = "127.0.0.2"; timeout = 3000; replicas = 0; requirePassFile = "./user-pass"; settings.maxmemory = "1mb";
    nodes = { a = { port = 7001; extraConfig = "cluster-port 7101"; }; b.port = 7002; c.port = 7003; };
  };
  services.redis-cluster.second = { enable = true; requirePass.secret = "user-secret"; };
  services.redis-cluster.third = { enable = true; replicas = 0; nodes = { a.port = 7011; b.port = 7012; c.port = 7013; }; requirePassFile.secret = "user-secret"; };
}
