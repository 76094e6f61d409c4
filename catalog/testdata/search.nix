# Searches, and what uses them.
{
  services.elasticsearch.plain.enable = true;
  services.elasticsearch.full = {
    enable = true; listenAddress = "0.0.0.0"; port = 9201; tcp_port = 9301; cluster_name = "shop"; single_node = false; extraJavaOptions = [ "-Xms1g" "-Xmx1g" ];
    settings = { xpack.security.enabled = true; "cluster.initial_master_nodes" = [ "a" "b" ]; node.roles = [ ]; discovery.type = null; };
    extraConf = "node.name: a\n"; logging = "status = warn\n"; extraCmdLineOptions = [ "--quiet" ];
  };
  services.qdrant.plain.enable = true;
  services.qdrant.full = { enable = true; httpPort = 6343; grpcPort = 6344; apiKey.secret = "api-token"; settings = { service.grpc_port = null; cluster.enabled = true; }; extraArgs = [ "--disable-telemetry" ]; };
  services.weaviate.plain = { enable = true; openPorts = true; };
  services.weaviate.full = {
    enable = true; openPorts = true; host = "0.0.0.0"; port = 8081; grpcPort = 50052; bindAddress = "10.0.0.1"; gossipPort = 7956; dataPort = 7957; raftPort = 8310; raftRPCPort = 8311;
    modules = [ "text2vec-openai" ]; environment = { DISABLE_TELEMETRY = "false"; AUTHENTICATION_APIKEY_ALLOWED_KEYS.secret = "api-token"; };
  };
  services.chromadb.plain.enable = true;
  services.chromadb.full = { enable = true; host = "0.0.0.0"; port = 8010; };
  services.searx.plain = { enable = true; port = 8888; };
  services.searxng.full = { enable = true; port = 8889; use_default_settings = false; secret_key.secret = "api-token"; settings = { server.limiter = true; search.formats = [ "html" "json" ]; }; };
  services.tika.plain.enable = true;
  services.tika.full = { enable = true; host = "0.0.0.0"; port = 9999; jar = ./tika-server.jar; enableOcr = false; configFile = ./tika.xml; extraArgs = [ "-noFork" ]; };
  services.open-webui.plain.enable = true;
  services.open-webui.full = { enable = true; port = 3000; secretKey = "k"; environment.ANONYMIZED_TELEMETRY = "True"; };
  services.pgadmin.plain = { enable = true; initialEmail = "me@example.org"; initialPassword = "p \"w"; };
  services.pgadmin.full = {
    enable = true; host = "0.0.0.0"; port = 5051; initialEmail = "me@example.org"; initialPassword.secret = "api-token"; minimumPasswordLength = 12;
    settings = { MAX_LOGIN_ATTEMPTS = 3; DEFAULT_BINARY_PATHS.pg = "/usr/bin"; };
  };
  services.pubsub-emulator.plain.enable = true;
  services.pubsub-emulator.full = { enable = true; port = 8086; project = "shop"; };
}
