{
  services.caddy.edge = {
    enable = true;
    email = "me@example.test";
    globalConfig = "grace_period 5s";
    virtualHosts = {
      ":8080" = { extraConfig = "root * /workspace/public\nfile_server"; };
      "example.test" = { serverAliases = [ "http://www.example.test" ]; logFormat = "output stdout"; extraConfig = "reverse_proxy 127.0.0.1:3000"; };
    };
    extraConfig = ":9999 {\n  respond ok\n}";
  };
  services.caddy.json = { enable = true; settings.apps.http.servers.s = { listen = [ ":8085" ]; }; };
  services.caddy.file = { enable = true; configFile = "./Caddyfile"; };
}
