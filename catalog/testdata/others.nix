{
  services.grafana.dashboard = {
    enable = true;
    http_port = 3001;
    settings."auth.anonymous".enabled = true;
    datasources = [ { name = "p"; type = "prometheus"; url = "http://127.0.0.1:9090"; } ];
    providers = [ { name = "d"; options.path = "/workspace/dashboards"; } ];
  };
  services.jaeger.tracing = { enable = true; storage = "badger"; listenAddress = ""; extraFlags = [ "--log-level=warn" ]; };
  services.kafka.streaming = { enable = true; settings = { "num.partitions" = 3; "log.retention.ms" = null; "auto.create.topics.enable" = true; }; jvmOptions = [ "-Xmx512m" ]; };
  services.clickhouse.analytics = {
    enable = true;
    databases = [ "events" ];
    initialDatabases = [ { name = "logs"; schemas = [ ./schema.sql ]; } ];
    extraConfig = { logger.level = "information"; max_connections = 64; };
  };
}
