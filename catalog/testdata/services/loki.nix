{
  services.loki."logs" = {
    enable = true;
    extraConfig.auth_enabled = false;
  };
}
