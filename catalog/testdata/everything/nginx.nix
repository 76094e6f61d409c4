{
  services.nginx.all = {
    enable = true; port = 6003; requestId.enable = true; defaultHTTPListenPort = 6004; defaultSSLListenPort = 6005; defaultListenAddresses = [ "127.0.0.1" ];
    upstreams.w.service = "workers"; upstreams.u = { servers."127.0.0.1:1" = { weight = 1; backup = true; }; extraConfig = "keepalive 1;"; };
    prependConfig = "pcre_jit on;"; appendConfig = "env A;"; eventsConfig = "multi_accept on;"; commonHttpConfig = "etag on;"; httpConfig = "server { listen 6006; }"; appendHttpConfig = "gzip on;"; streamConfig = "server { listen 6007; }";
    defaultMimeTypes = "./user-mime";
    recommendedProxySettings = true; recommendedGzipSettings = true; recommendedTlsSettings = true; recommendedOptimisation = true;
    clientMaxBodySize = "1m"; serverTokens = true; proxyTimeout = "1s"; logError = "stderr debug"; statusPage = true;
    sslProtocols = "TLSv1.3"; sslCiphers = "ALL"; sslDhparam = "./user-dh"; workerProcesses = "auto"; mapHashBucketSize = 64; mapHashMaxSize = 64; serverNamesHashBucketSize = 64; serverNamesHashMaxSize = 64;
    resolver = { addresses = [ "127.0.0.1" ]; valid = "1s"; ipv6 = false; };
    group = "g"; enableReload = true; validateConfigFile = true; typesHashMaxSize = 2048; recommendedUwsgiSettings = true; uwsgiTimeout = "2s"; proxyResolveWhileRunning = true; uwsgiResolveWhileRunning = true;
    proxyCachePath.c = { enable = true; keysZoneName = "z"; keysZoneSize = "1m"; levels = "2"; useTempPath = true; inactive = "1m"; maxSize = "2m"; };
    virtualHosts.h = {
      serverName = "x"; serverAliases = [ "y" ]; listen = [ { addr = "127.0.0.1"; port = 6008; ssl = true; proxyProtocol = true; extraParameters = [ "so_keepalive=on" ]; } ];
      default = true; root = "./user-public"; extraConfig = "autoindex on;"; addSSL = true; rejectSSL = false; sslCertificate = "./user-cert"; sslCertificateKey = "./user-key"; sslTrustedCertificate = "./user-trusted";
      http2 = false; http3 = false; quic = false; http3_hq = false; kTLS = true; reuseport = true; basicAuth.me = "pw";
      locations."/" = { proxyPass = "http://u"; proxyWebsockets = true; recommendedProxySettings = false; extraConfig = "etag off;"; priority = 2000; basicAuthFile = "./user-auth"; };
      locations."/a" = { root = "./user-root"; index = "i"; tryFiles = "$uri =404"; fastcgiParams.A = "/workspace/user-b"; basicAuth.me = "pw"; };
      locations."/u" = { uwsgiPass = "127.0.0.1:1"; recommendedUwsgiSettings = false; };
      locations."/b" = { alias = "./user-alias/"; return = 404; };
    };
    virtualHosts.f = { listenAddresses = [ "127.0.0.1" ]; forceSSL = true; sslCertificate = "./user-cert"; sslCertificateKey = "./user-key"; redirectCode = 302; basicAuthFile = "./user-auth"; };
    virtualHosts.g = { onlySSL = true; sslCertificate = "./user-cert"; sslCertificateKey.secret = "user-secret"; globalRedirect = "x"; };
  };
  services.custom.workers = { enable = true; command = "x"; port = 6030; replicas = 2; };
  services.nginx.more = { enable = true; resolver = { addresses = [ "127.0.0.1" ]; ipv4 = false; }; port = 6015; virtualHosts.h = { listenAddresses = [ "127.0.0.2" ]; rejectSSL = true; }; virtualHosts.s = { addSSL = true; sslCertificate = "./user-cert"; sslCertificateKey = "./user-key"; }; defaultSSLListenPort = 6016; };
  services.nginx.listen = { enable = true; port = 6074; defaultListen = [ { addr = "127.0.0.2"; port = 6075; ssl = true; proxyProtocol = true; extraParameters = [ "deferred" ]; } { addr = "127.0.0.2"; } ]; virtualHosts.t = { addSSL = true; sslCertificate = "./user-cert"; sslCertificateKey = "./user-key"; }; defaultSSLListenPort = 6076; };
  services.nginx.acme = { enable = true; port = 6091; defaultSSLListenPort = 6092; acme = { acceptTerms = true; email = "a@b.c"; server = "https://x/directory"; caFile = "./user-trusted"; };
    virtualHosts = { "a.b" = { addSSL = true; enableACME = true; acmeRoot = "./user-public"; acmeFallbackHost = "10.0.0.1"; }; "c.d" = { addSSL = true; useACMEHost = "a.b"; }; }; };
  services.nginx.own = { enable = true; config = "events { } http { server { listen 6009; root /workspace/user-root; } }"; };
}
