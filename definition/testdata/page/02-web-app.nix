{
  perSystem.nix2gpu."web-app" = {
    exposedPorts = {
      "22/tcp" = {};
      "8080/tcp" = {};
    };
    
    services.nginx."web-server" = {
      enable = true;
      virtualHosts."default" = {
        listen = [{
          addr = "0.0.0.0";
          port = 8080;
        }];
        locations."/" = {
          root = "/workspace/public";
        };
      };
    };
  };
}
