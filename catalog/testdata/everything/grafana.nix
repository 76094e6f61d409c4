{
  services.grafana.all = {
    enable = true; port = 6028; listenAddress = ""; domain = "d"; protocol = "https"; settings.security.admin_user = "a"; extraConf.users.x = 1; datasources = [ { name = "a"; } ]; deleteDatasources = [ { name = "b"; } ]; providers = [ { options.path = "/workspace/user-dashboards"; } ];
  };
}
