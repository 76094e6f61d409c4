{
  perSystem.nix2gpu."app-with-db" = {
    exposedPorts = {
      "22/tcp" = {};
      "8080/tcp" = {};
    };
    
    services = {
      postgresql."main-db" = {
        enable = true;
        listen_addresses = "*";
        port = 5432;
        authentication = pkgs.lib.mkOverride 10 ''
          local all all trust
          host all all 0.0.0.0/0 trust
        '';
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
