{
  services.grafana.all = {
    enable = true; port = 6028; listenAddress = ""; domain = "d"; protocol = "https"; settings.security.admin_user = "a"; extraConf.users.x = 1; declarativePlugins = [ "/workspace/user-panel" ]; datasources = [ { name = "a"; } ]; deleteDatasources = [ { name = "b"; } ]; providers = [ { options.path = "/workspace/user-dashboards"; } ];
    provision = {
      enable = true; datasources.settings.datasources = [ { name = "c"; } ]; dashboards.path = "/workspace/user-dashboards.yml";
      alerting = { rules.settings.groups = [ ]; contactPoints.settings.contactPoints = [ ]; policies.settings.policies = [ ]; templates.settings.templates = [ ]; muteTimings.settings.muteTimes = [ ]; };
    };
  };
  services.grafana.files = {
    enable = true; port = 6071;
    provision = {
      datasources.path = "/workspace/user-sources.yml"; dashboards.settings.providers = [ ];
      alerting = { rules.path = "/workspace/user-rules.yml"; contactPoints.path = "/workspace/user-points.yml"; policies.path = "/workspace/user-policies.yml"; templates.path = "/workspace/user-templates.yml"; muteTimings.path = "/workspace/user-timings.yml"; };
    };
  };
}
