{
  services.apache-httpd.web = {
    enable = true;
    logFormat = "combined";
    adminAddr = "me@example.test";
    extraModules = [ "status" ];
    extraConfig = "Timeout 30";
    virtualHosts."example.test" = {
      listen = [ { port = 8443; ssl = true; } { ip = "127.0.0.1"; port = 8080; } ];
      sslServerCert = ./cert.pem;
      sslServerKey = "./key.pem";
      documentRoot = "/workspace/public";
      serverAliases = [ "www.example.test" ];
      locations."/api/" = { proxyPass = "http://127.0.0.1:3000/"; priority = 900; };
      locations."/files/" = { alias = "./files/"; index = "a.html"; extraConfig = "Header set X a"; };
      servedDirs = [ { urlPath = "/d"; dir = "/srv/d"; } ];
      servedFiles = [ { urlPath = "/f.txt"; file = ./f.txt; } ];
      extraConfig = "# the end";
    };
    virtualHosts.old = { globalRedirect = "http://example.test/"; };
  };
}
