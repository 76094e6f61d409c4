{
  services.mysql.all = {
    enable = true; port = 6002; bind = "*"; settings.mysqld.max_connections = [ 1 2 ]; databases = [ "a" ]; ensureDatabases = [ "b" ];
    initialDatabases = [ { name = "c"; schema = ./user-schema.sql; schemas = [ "./user-more" ]; } ];
    ensureUsers = [ { name = "v"; passwordFile = "./user-pass"; } { name = "w"; password.secret = "user-secret"; } { name = "x"; passwordFile.secret = "user-secret"; } { name = "u"; password = "p"; ensurePermissions."*.*" = "ALL"; } ]; initialScript = "select 1;";
  };
  services.mysql.master = { enable = true; port = 6080; importTimeZones = true; replication = { role = "master"; serverId = 2; slaveHost = "127.0.0.%"; masterUser = "r"; masterPassword.secret = "user-secret"; }; };
  services.mysql.slave = { enable = true; port = 6081; replication = { role = "slave"; serverId = 3; masterHost = "127.0.0.1"; masterPort = 6080; masterUser = "r"; masterPasswordFile = "./user-pass"; }; };
  services.mysql.plain = { enable = true; port = 6084; replication = { role = "master"; masterUser = "r"; masterPassword = "p"; }; };
  services.mysql.lent = { enable = true; port = 6085; replication = { role = "master"; masterUser = "r"; masterPasswordFile.secret = "user-secret"; }; };
  services.mysql.galera = { enable = true; port = 6082; galeraCluster = { enable = true; name = "c"; sstMethod = "mariabackup"; localName = "n"; localAddress = "127.0.0.2"; nodeAddresses = [ "127.0.0.2" "127.0.0.3" ]; }; };
  services.mysql.first = { enable = true; port = 6083; galeraCluster = { enable = true; clusterAddress = "gcomm://"; }; };
  services.mysql.own = { enable = true; port = 6086; configFile = "./user.cnf"; };
  services.mysql.file = { enable = true; socketDir = "./user-sockets"; initialScript = "./user-script.sql"; };
}
