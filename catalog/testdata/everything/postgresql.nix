{
  services.postgresql.all = {
    enable = true; port = 6000; listen_addresses = "127.0.0.1"; enableTCPIP = true; socketDir = "./user-sockets";
    authentication = "host all all 10.0.0.0/8 trust"; hbaConf = [ { type = "host"; database = "all"; user = "all"; address = "10.0.0.0/8"; method = "trust"; } ];
    identMap = "m a b"; settings = { shared_buffers = "1MB"; port = 6000; jit = null; };
    databases = [ "a" ]; ensureDatabases = [ "b" ]; initialDatabases = [ { name = "c"; schemas = [ ./user-schema.sql ]; } ]; createDatabase = true;
    ensureUsers = [ { name = "a"; ensureDBOwnership = true; ensureClauses.createdb = true; password.secret = "user-secret"; } { name = "b"; passwordFile.secret = "user-secret"; } ]; passwordFile = "./user-pass";
    initialScript = { before = "select 1;"; after = "select 2;"; };
    initdbArgs = [ "--no-sync" ]; superuser = "boss"; enableJIT = true; checkConfig = false;
  };
  services.postgresql.tcp = { enable = true; port = 6001; enableTCPIP = true; createDatabase = false; };
  services.postgresql.file = { enable = true; port = 6002; initialScript = "./user-script.sql"; };
  services.postgresql.copy = { enable = true; port = 6003; extensions = ps: [ ps.hypopg ]; standbyOf = { host = "localhost"; port = 6000; user = "boss"; passwordFile.secret = "user-secret"; slot = "copy"; }; };
  services.postgresql.second = { enable = true; port = 6004; password.secret = "user-secret"; standbyOf = { port = 6000; password.secret = "user-secret"; }; };
  services.postgresql.third = { enable = true; port = 6005; passwordFile.secret = "user-secret"; };
}
