services = {
  prometheus."metrics" = {
    enable = true;
    port = 9090;
  };
  
  grafana."dashboard" = {
    enable = true;
    port = 3000;
  };
  
  jaeger."tracing" = {
    enable = true;
    port = 16686;
  };
};
