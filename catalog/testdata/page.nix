# The service types of nix2gpu's overview, all at once: their default ports must not clash.
{
  services = {
    postgresql."db" = { enable = true; port = 5432; };
    redis."cache" = { enable = true; port = 6379; };
    mysql."db" = { enable = true; port = 3306; };
    clickhouse."analytics" = { enable = true; port = 9000; };
    nginx."web".enable = true;
    apache-httpd."web".enable = true;
    caddy."web".enable = true;
    prometheus."metrics" = { enable = true; port = 9090; };
    grafana."dashboard" = { enable = true; port = 3000; };
    jaeger."tracing" = { enable = true; port = 16686; };
    rabbitmq."queue" = { enable = true; port = 5672; };
    apache-kafka."streaming" = { enable = true; port = 9092; };
  };
}
