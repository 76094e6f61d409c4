# A web server that is asked two questions: are you ready (then it gets
# traffic), are you alive (if not, it is restarted).
#
#   nix2gpu up        then: nix2gpu status monitored-service
{
  systemPackages = [ pkgs.python3 ];   # for the program, in an image

  services.custom."monitored-service" = {
    enable = true;
    command = "web-server --port 8080";

    # readiness check (when is service ready?)
    readiness_probe = {
      http_get = {
        path = "/ready";
        port = 8080;
      };
      initial_delay_seconds = 5;
      period_seconds = 10;
      timeout_seconds = 3;
      failure_threshold = 3;
    };

    # liveness check (is service still alive?)
    liveness_probe = {
      http_get = {
        path = "/health";
        port = 8080;
      };
      initial_delay_seconds = 30;
      period_seconds = 30;
      timeout_seconds = 5;
      failure_threshold = 2;
    };
  };
}
