services = {
  nginx."web" = {
    enable = true;
    # full nginx configuration available
  };
  
  apache-httpd."web" = {
    enable = true;
    # apache configuration
  };
  
  caddy."web" = {
    enable = true;
    # automatic HTTPS, reverse proxy
  };
};
