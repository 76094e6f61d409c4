{ services.memcached.all = { enable = true; port = 6025; bind = null; maxMemory = 1; maxConnections = 2; startArgs = [ "-v" ]; };
  services.memcached.socket = { enable = true; enableUnixSocket = true; }; }
