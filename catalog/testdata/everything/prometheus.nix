{
  services.prometheus.all = {
    enable = true; port = 6021; listenAddress = "127.0.0.2"; globalConfig.scrape_timeout = "1s"; scrapeConfigs = [ { job_name = "j"; file_sd_configs = [ { files = [ "/workspace/user-sd.json" ]; } ]; } ];
    ruleFiles = [ "./user-rules.yml" ]; rules = [ "groups: []" ]; alertmanagers = [ { static_configs = [ ]; } ]; extraConfig.storage.tsdb.out_of_order_time_window = "1m"; retentionTime = "1d"; webExternalUrl = "http://x/y"; extraFlags = [ "--log.level=warn" ];
    alertmanagerNotificationQueueCapacity = 5; remoteRead = [ { url = "http://a/"; } ]; remoteWrite = [ { url = "http://b/"; } ]; webConfigFile = "./user-web.yml"; checkConfig = true; enableReload = false;
  };
  services.prometheus.text = { enable = true; port = 6066; configText = "global: {}"; };
  services.prometheus.agent = { enable = true; port = 6067; enableAgentMode = true; };
}
