{
  services.custom."api" = {
    enable = true;
    command = "python3 -m http.server $PORT --bind 127.0.0.1";
    port = 8000;
    readiness_probe.http_get.port = 8000;
  };
}
