{
  services.mysql.all = {
    enable = true; port = 6002; bind = "*"; settings.mysqld.max_connections = [ 1 2 ]; databases = [ "a" ]; ensureDatabases = [ "b" ];
    initialDatabases = [ { name = "c"; schema = ./user-schema.sql; schemas = [ "./user-more" ]; } ];
    ensureUsers = [ { name = "v"; passwordFile = "./user-pass"; } { name = "w"; password.secret = "user-secret"; } { name = "x"; passwordFile.secret = "user-secret"; } { name = "u"; password = "p"; ensurePermissions."*.*" = "ALL"; } ]; initialScript = "select 1;";
  };
  services.mysql.file = { enable = true; initialScript = "./user-script.sql"; };
}
