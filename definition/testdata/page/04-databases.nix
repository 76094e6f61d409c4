services = {
  postgresql."db" = {
    enable = true;
    port = 5432;
  };
  
  redis."cache" = {
    enable = true;
    port = 6379;
  };
  
  mysql."db" = {
    enable = true;
    port = 3306;
  };
  
  clickhouse."analytics" = {
    enable = true;
    port = 9000;
  };
};
