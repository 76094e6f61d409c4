{
  services.nginx."gateway" = {
    enable = true;
    virtualHosts."localhost" = {
      listen = [ { addr = "127.0.0.1"; port = 8080; } ];
      locations."/".return = "200 hello";
    };
  };
}
