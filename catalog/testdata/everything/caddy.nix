{
  services.caddy.all = {
    enable = true; port = 6013; requestId.enable = true; virtualHosts."http://x:6014" = { hostName = "http://y:6015"; serverAliases = [ "http://z:6016" ]; listenAddresses = [ "127.0.0.1" ]; logFormat = "output stdout"; extraConfig = "root * /workspace/user-root"; };
    globalConfig = "grace_period 1s"; extraConfig = ":6017 {\n}"; email = "a@b"; acmeCA = "https://x"; httpPort = 6018; httpsPort = 6019; logLevel = "INFO"; resume = true; enableReload = false; group = "g"; logDir = "l";
  };
  services.custom.workers = { enable = true; command = "x"; port = 6030; replicas = 2; };
  services.caddy.up = { enable = true; port = 6022; virtualHosts."http://x:6023".upstream = "workers"; };
  services.caddy.port = { enable = true; port = 6021; };
  services.caddy.file = { enable = true; configFile = "./user.json"; adapter = "json5"; };
  services.caddy.log = { enable = true; port = 6079; logFormat = "level ERROR"; };
  services.caddy.json = { enable = true; settings.apps.http.servers.s.listen = [ ":6020" ]; };
}
