# A program on port 3000 that reads PostgreSQL, behind nginx. The
# authentication text replaces PostgreSQL's defaults, because mkOverride 10
# is stronger than they are.
#
#   nix2gpu up        then: curl http://127.0.0.1:8080/
{
  perSystem.nix2gpu."app-with-db" = {
    exposedPorts = {
      "22/tcp" = {};
      "8080/tcp" = {};
    };

    systemPackages = [ pkgs.postgresql ];   # psql, for the programs

    services = {
      postgresql."main-db" = {
        enable = true;
        listen_addresses = "*";
        port = 5432;
        authentication = pkgs.lib.mkOverride 10 ''
          local all all trust
          host all all 0.0.0.0/0 trust
        '';
        databases = ["notes"];
      };

      custom."app" = {
        enable = true;
        command = "${pkgs.python3}/bin/python /workspace/app.py";
        environment.DATABASE_URL = "postgresql://127.0.0.1:5432/notes";
        depends_on.postgresql = "ready";
        readiness_probe.http_get = { path = "/health"; port = 3000; };
      };

      nginx."api-server" = {
        enable = true;
        virtualHosts."api" = {
          listen = [{ addr = "0.0.0.0"; port = 8080; }];
          locations."/" = {
            proxyPass = "http://127.0.0.1:3000";
          };
        };
      };
    };
  };
}
