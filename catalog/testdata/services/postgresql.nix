{
  services.postgresql."db" = {
    enable = true;
    databases = [ "shop" ];
    ensureUsers = [ { name = "shop"; ensureDBOwnership = true; } ];
    settings.max_connections = 50;
  };
}
