{
  services.custom."api" = {
    enable = true;
    command = "python3 -m http.server $PORT";
    port = 8000;
    readiness_probe.http_get.port = 8000;
  };
}
