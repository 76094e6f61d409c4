{
  services.redis."cache" = {
    enable = true;
    appendOnly = true;
    settings.maxmemory = "64mb";
  };
}
