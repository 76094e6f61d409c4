{
  services.mysql."db" = {
    enable = true;
    databases = [ "shop" ];
    ensureUsers = [ { name = "shop"; ensurePermissions."shop.*" = "ALL PRIVILEGES"; } ];
  };
}
