{
  services.prometheus.metrics = {
    enable = true;
    listenAddress = "::1";
    globalConfig.scrape_interval = "5s";
    scrapeConfigs = [ { job_name = "self \"quoted\""; static_configs = [ { targets = [ "127.0.0.1:9090" ]; } ]; tls_config.ca_file = "/workspace/ca.pem"; honor_labels = true; sample_limit = 10; } ];
    rules = [ "groups: []" ];
    retentionTime = "1d";
    extraConfig.global.evaluation_interval = "1m";
    extraFlags = [ "--web.enable-lifecycle" ];
  };
}
