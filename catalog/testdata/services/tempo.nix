{
  services.tempo."traces" = {
    enable = true;
    otlpGrpcPort = 4317;
    extraConfig.overrides.defaults.ingestion.max_traces_per_user = 5000;
  };
}
