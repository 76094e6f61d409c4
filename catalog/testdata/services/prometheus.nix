{
  services.prometheus."metrics" = {
    enable = true;
    listenAddress = "127.0.0.1";
    scrapeConfigs = [ { job_name = "self"; static_configs = [ { targets = [ "127.0.0.1:9090" ]; } ]; } ];
  };
}
