# One program of your own with everything that can be said about it, and the
# database that it waits for.
#
#   nix2gpu up        then: curl http://127.0.0.1:8080/
{
  perSystem.nix2gpu."custom-app" = {
    systemPackages = [ pkgs.postgresql ];   # psql, for the program

    services.postgresql."db" = {
      enable = true;
      databases = ["mydb"];
    };

    services.custom."my-api" = {
      enable = true;

      # the command to run
      command = "${pkgs.python3}/bin/python /workspace/server.py";

      # working directory
      working_dir = "/workspace";

      # environment variables
      environment = {
        PORT = "8080";
        DATABASE_URL = "postgresql://localhost:5432/mydb";
      };

      # service dependencies
      depends_on = {
        postgresql = "ready";  # wait for postgres to be ready
      };

      # restart policy
      restart = "always";
      restart_delay = "5s";
      max_restarts = 10;

      # health check
      readiness_probe = {
        http_get = {
          path = "/health";
          port = 8080;
        };
        initial_delay_seconds = 10;
        period_seconds = 30;
      };
    };
  };
}
