# Migrations run once between the database and the API.
#
#   nix2gpu up        then: curl http://127.0.0.1:8080/
{
  systemPackages = [ pkgs.postgresql pkgs.python3 ];   # psql and python3, for the programs

  services = {
    postgresql."db" = {
      enable = true;
      # starts first (no dependencies)
      databases = ["app"];
    };

    custom."migrator" = {
      enable = true;
      command = "run-migrations";
      environment.DATABASE_URL = "postgresql://localhost:5432/app";
      depends_on.postgresql = "ready";  # waits for postgres
      restart = "no";  # run once
    };

    custom."api" = {
      enable = true;
      command = "start-api-server";
      environment.DATABASE_URL = "postgresql://localhost:5432/app";
      depends_on.migrator = "completed";  # waits for migrations
      readiness_probe.http_get = { path = "/health"; port = 8080; };
    };
  };
}
