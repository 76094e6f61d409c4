services = {
  custom."worker-1" = {
    enable = true;
    command = "worker --instance 1 --port 8001";
  };
  
  custom."worker-2" = {
    enable = true; 
    command = "worker --instance 2 --port 8002";
  };
  
  nginx."load-balancer" = {
    enable = true;
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
