# A small shop: one PostgreSQL with a database for each service, a session
# store, three programs of our own, and a gateway in front of them.
#
#   nix2gpu up        then: curl http://127.0.0.1:8080/users/
{
  perSystem.nix2gpu."microservices" = {
    exposedPorts = {
      "22/tcp" = {};
      "8080/tcp" = {};   # API gateway
    };

    systemPackages = [ pkgs.postgresql pkgs.python3 ];   # psql and python3, for the programs

    services = {
      # database tier
      postgresql."userdb" = {
        enable = true;
        port = 5432;
        databases = ["users" "orders" "inventory"];
      };

      redis."session-store" = {
        enable = true;
        port = 6379;
      };

      # application tier: the programs in ./bin, which is on the PATH of services
      custom."user-service" = {
        enable = true;
        command = "user-service --port 3001";
        environment.DATABASE_URL = "postgresql://localhost:5432/users";
        depends_on.postgresql = "ready";
        readiness_probe.http_get = { path = "/health"; port = 3001; };
      };

      custom."order-service" = {
        enable = true;
        command = "order-service --port 3002";
        environment.DATABASE_URL = "postgresql://localhost:5432/orders";
        depends_on.postgresql = "ready";
        readiness_probe.http_get = { path = "/health"; port = 3002; };
      };

      custom."inventory-service" = {
        enable = true;
        command = "inventory-service --port 3003";
        environment.DATABASE_URL = "postgresql://localhost:5432/inventory";
        depends_on.postgresql = "ready";
        readiness_probe.http_get = { path = "/health"; port = 3003; };
      };

      # API gateway
      nginx."gateway" = {
        enable = true;
        requestId.enable = true;   # nix2gpu logs --grep ID finds a request in all logs
        virtualHosts."api" = {
          listen = [{ addr = "0.0.0.0"; port = 8080; }];
          locations = {
            "/users/" = {
              proxyPass = "http://127.0.0.1:3001/";
            };
            "/orders/" = {
              proxyPass = "http://127.0.0.1:3002/";
            };
            "/inventory/" = {
              proxyPass = "http://127.0.0.1:3003/";
            };
          };
        };
      };
    };
  };
}
