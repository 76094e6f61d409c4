{
  services.mailpit."mail" = {
    enable = true;
    ui.port = 8026;
    extraArgs = [ "--smtp-auth-accept-any" "--smtp-auth-allow-insecure" ];
  };
}
