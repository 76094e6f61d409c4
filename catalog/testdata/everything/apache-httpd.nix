{
  services.apache-httpd.all = {
    enable = true; port = 6010; extraConfig = "Listen 6011"; extraModules = [ "status" { name = "jk"; path = "/usr/lib/user/mod_jk.so"; } ]; adminAddr = "a@b"; logFormat = "common"; logLevel = "info"; mpm = "worker"; maxClients = 100; maxRequestsPerChild = 5;
    sslProtocols = "all"; sslCiphers = "ALL"; group = "g"; logDir = "/workspace/user-logs"; logPerVirtualHost = false;
    virtualHosts.h = {
      hostName = "x"; serverAliases = [ "y" ]; listen = [ { ip = "127.0.0.1"; port = 6012; ssl = true; } { port = 6013; }  ]; documentRoot = "./user-public";
      servedDirs = [ { urlPath = "/d"; dir = "./user-dir"; } ]; servedFiles = [ { urlPath = "/f"; file = "./user-file"; } ];
      locations."/" = { proxyPass = "http://127.0.0.1:1/"; index = "i"; extraConfig = "Require all granted"; priority = 1; }; locations."/a" = { alias = "./user-alias"; priority = 3; };
      globalRedirect = "http://x/"; extraConfig = "UseCanonicalName On"; adminAddr = "c@d"; sslServerCert = "./user-cert"; sslServerKey.secret = "user-secret"; sslServerChain = "./user-chain"; logFormat = "combined"; enableUserDir = true; robotsEntries = "Disallow: /"; http2 = false;
    };
  };
  services.apache-httpd.port = { enable = true; port = 6014; requestId.enable = true; virtualHosts.h = { }; };
  services.apache-httpd.tls = { enable = true; port = 6077; sslPort = 6078; virtualHosts = {
    a = { addSSL = true; listenAddresses = [ "127.0.0.2" ]; sslServerCert = "./user-cert"; sslServerKey = "./user-key"; };
    f = { forceSSL = true; listenAddresses = [ "127.0.0.2" ]; sslServerCert = "./user-cert"; sslServerKey = "./user-key"; };
    o = { onlySSL = true; listenAddresses = [ "127.0.0.2" ]; sslServerCert = "./user-cert"; sslServerKey = "./user-key"; };
  }; };
  services.apache-httpd.acme = { enable = true; port = 6093; sslPort = 6094; acme = { acceptTerms = true; email = "a@b.c"; server = "https://x/directory"; caFile = "./user-chain"; };
    virtualHosts = { "a.b" = { addSSL = true; enableACME = true; acmeRoot = "./user-public"; }; "c.d" = { addSSL = true; useACMEHost = "a.b"; }; }; };
  services.apache-httpd.own = { enable = true; configFile = "./user.conf"; };
}
