{
  services.caddy."edge" = {
    enable = true;
    virtualHosts."http://localhost:8082" = {
      listenAddresses = [ "127.0.0.1" ];
      extraConfig = "respond hello";
    };
  };
}
