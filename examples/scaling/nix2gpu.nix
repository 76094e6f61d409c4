# Two instances of one worker behind a load balancer.
#
#   nix2gpu up        then, several times: curl http://127.0.0.1:8080/
{
  systemPackages = [ pkgs.python3 ];   # for the program, in an image

  services = {
    custom."worker-1" = {
      enable = true;
      command = "worker --instance 1 --port 8001";
      readiness_probe.http_get = { path = "/health"; port = 8001; };
    };

    custom."worker-2" = {
      enable = true;
      command = "worker --instance 2 --port 8002";
      readiness_probe.http_get = { path = "/health"; port = 8002; };
    };

    nginx."load-balancer" = {
      enable = true;
      depends_on = { worker-1 = "ready"; worker-2 = "ready"; };
      httpConfig = ''
        upstream workers {
          server 127.0.0.1:8001;
          server 127.0.0.1:8002;
        }

        server {
          listen 8080;
          location / {
            proxy_pass http://workers;
          }
        }
      '';
    };
  };
}
