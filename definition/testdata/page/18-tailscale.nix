{
  perSystem.nix2gpu."api-server" = {
    tailscale = {
      enable = true;
      hostname = "api-server";
      tags = ["tag:api"];
    };
    
    services.custom."api" = {
      enable = true;
      command = "api-server --advertise api-server.tailnet.local";
    };
  };
}
