{
  services.alloy."collector" = {
    enable = true;
    configFile = "./config.alloy";
    extraFlags = [ "--disable-reporting" ];
  };
}
