{
  services.grafana."dashboards" = {
    enable = true;
    datasources = [ { name = "metrics"; type = "prometheus"; url = "http://127.0.0.1:9090"; } ];
  };
}
