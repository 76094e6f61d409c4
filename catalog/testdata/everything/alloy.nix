{
  services.alloy.all = { enable = true; configFile = "./user-config.alloy"; listenAddress = "127.0.0.2"; port = 6070; extraFlags = [ "--disable-reporting" ]; };
}
