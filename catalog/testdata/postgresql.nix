{
  services.postgresql = {
    userdb = {
      enable = true;
      port = 5432;
      databases = [ "users" "orders" ];
    };
    tuned = {
      enable = true;
      listen_addresses = "*";
      port = 5433;
      authentication = lib.mkOverride 10 ''
        local all all trust
        host all all 0.0.0.0/0 trust
      '';
      package = pkgs.postgresql_16;
      dataDir = "/var/lib/pg data";
      settings = { shared_buffers = "256MB"; max_connections = 200; log_statement = "it's"; fsync = false; work_mem = null; };
      initialScript = { before = "create role bar;"; after = "select '$x';"; };
      initialDatabases = [ { name = "foo"; schemas = [ "./schema.sql" ]; } ];
      ensureUsers = [ { name = "foo"; ensureDBOwnership = true; ensureClauses = { createdb = true; login = null; }; } ];
      initdbArgs = [ "--data-checksums" ];
    };
    strict = {
      enable = true;
      port = 5434;
      authentication = lib.mkForce "local all all scram-sha-256\n";
      ensureDatabases = [ "x" ];
      user = "dba";
    };
  };
  services.postgres.old = {
    enable = true;
    port = 5435;
    socketDir = "./sockets";
    authentication = "host all all 10.0.0.0/8 scram-sha-256";
    hbaConf = [ { type = "host"; database = "all"; user = "all"; address = "192.168.0.0/16"; method = "trust"; } ];
  };
  services.custom.worker = { enable = true; command = "work"; user = "app"; depends_on.postgres = "ready"; };
}
