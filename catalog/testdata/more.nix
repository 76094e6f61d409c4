{
  services.zookeeper.z = { enable = true; };
  services.phpfpm.p = { enable = true; phpOptions = "memory_limit = 64M"; };
  services.pgbouncer.b = { enable = true; databases.users = "host=127.0.0.1 port=5432"; users.me = null; };
  services.etcd.e = { enable = true; extraConf.LOG_LEVEL = "warn"; };
  services.alertmanager.a = { enable = true; };
  services.node-exporter.n = { enable = true; disabledCollectors = [ "arp" ]; };
}
