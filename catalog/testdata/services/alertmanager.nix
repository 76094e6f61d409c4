{
  services.alertmanager."alerts" = {
    enable = true;
    webExternalUrl = "http://alerts.example.org/";
  };
}
