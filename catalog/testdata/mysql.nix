{
  services.mysql.db = {
    enable = true;
    port = 3306;
    databases = [ "users" ];
    settings.mysqld = { max_connections = 50; plugin_load_add = [ "a" "b" ]; skip_name_resolve = true; };
    settings.client.user = "me";
    initialDatabases = [ { name = "shop"; schema = ./shop.sql; } ];
    ensureUsers = [ { name = "app"; password = "p\"w'"; ensurePermissions."shop.*" = "ALL PRIVILEGES"; } ];
    initialScript = "select 1;";
  };
  services.mariadb.other = { enable = true; settings.mysqld.port = 3307; bind = "*"; initialScript = "./init.sql"; };
}
