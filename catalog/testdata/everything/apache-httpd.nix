{
  services.apache-httpd.all = {
    enable = true; port = 6010; extraConfig = "Listen 6011"; extraModules = [ "status" ]; adminAddr = "a@b"; logFormat = "common"; logLevel = "info"; mpm = "worker"; maxClients = 100; maxRequestsPerChild = 5;
    sslProtocols = "all"; sslCiphers = "ALL"; group = "g"; logDir = "l"; logPerVirtualHost = false;
    virtualHosts.h = {
      hostName = "x"; serverAliases = [ "y" ]; listen = [ { ip = "127.0.0.1"; port = 6012; ssl = true; } { port = 6013; }  ]; documentRoot = "./user-public";
      servedDirs = [ { urlPath = "/d"; dir = "./user-dir"; } ]; servedFiles = [ { urlPath = "/f"; file = "./user-file"; } ];
      locations."/" = { proxyPass = "http://127.0.0.1:1/"; index = "i"; extraConfig = "Require all granted"; priority = 1; }; locations."/a" = { alias = "./user-alias"; priority = 3; };
      globalRedirect = "http://x/"; extraConfig = "UseCanonicalName On"; adminAddr = "c@d"; sslServerCert = "./user-cert"; sslServerKey.secret = "user-secret"; sslServerChain = "./user-chain"; logFormat = "combined";
    };
  };
  services.apache-httpd.port = { enable = true; port = 6014; requestId.enable = true; virtualHosts.h = { }; };
  services.apache-httpd.own = { enable = true; configFile = "./user.conf"; };
}
