{
  services.postgresql."users" = { enable = true; port = 5433; databases = [ "users" ]; };
  services.pgbouncer."pool" = {
    enable = true;
    databases.users = "host=127.0.0.1 port=5433";
    users.postgres = null;
    depends_on.users = "ready";
  };
}
