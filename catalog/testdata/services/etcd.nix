{
  services.etcd."state" = {
    enable = true;
    extraConf.LOG_LEVEL = "warn";
  };
}
