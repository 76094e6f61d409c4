{
  services.apache-httpd."web" = {
    enable = true;
    virtualHosts."localhost" = {
      listen = [ { ip = "127.0.0.1"; port = 8081; } ];
      locations."/status/".extraConfig = "Redirect 204 /status/";
    };
  };
}
