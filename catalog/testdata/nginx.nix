{
  services.nginx = {
    # The web server of the example.
    web-server = {
      enable = true;
      virtualHosts."default" = {
        listen = [ { addr = "0.0.0.0"; port = 8080; } ];
        locations."/" = { root = "/workspace/public"; };
      };
    };
    # Its load balancer: no server of ours may answer on 8090.
    load-balancer = {
      enable = true;
      httpConfig = ''
        upstream workers {
          server 127.0.0.1:8001;
        }
        server {
          listen 8090;
          location / { proxy_pass http://workers; }
        }
        client_max_body_size 1g;
      '';
    };
    plain.enable = true;
    plain.port = 8091;
    full = {
      enable = true;
      port = 80;
      recommendedProxySettings = true;
      recommendedGzipSettings = true;
      recommendedOptimisation = true;
      recommendedTlsSettings = true;
      statusPage = true;
      resolver = { addresses = [ "127.0.0.53" ]; ipv6 = false; };
      upstreams.api = { servers = { "127.0.0.1:3000" = { weight = 2; }; "127.0.0.1:3001" = { backup = true; }; }; extraConfig = "keepalive 8;"; };
      virtualHosts."example.test" = {
        forceSSL = true;
        sslCertificate = "./cert.pem";
        sslCertificateKey = "./key.pem";
        serverAliases = [ "www.example.test" ];
        root = "./site";
        locations = {
          "/api/" = { proxyPass = "http://api/"; proxyWebsockets = true; priority = 900; };
          "~ \\.php$" = { fastcgiParams.SCRIPT_FILENAME = "$document_root$fastcgi_script_name"; };
          "= /old" = { return = "301 /new"; };
          "/files/" = { alias = "/srv/my files/"; index = "index.html"; tryFiles = "$uri =404"; extraConfig = "autoindex on;\nexpires 1h;"; };
        };
        basicAuth.me = "pw";
        extraConfig = "add_header X-A b;";
      };
      virtualHosts.redirect = { globalRedirect = "example.test"; listen = [ { addr = "::1"; port = 8092; } ]; };
    };
  };
}
