{
  services.node-exporter."machine" = {
    enable = true;
    port = 9101;
    disabledCollectors = [ "thermal_zone" ];
  };
}
