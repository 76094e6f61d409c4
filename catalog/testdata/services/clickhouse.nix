{
  services.clickhouse."events" = {
    enable = true;
    port = 9010;
    databases = [ "events" ];
  };
}
