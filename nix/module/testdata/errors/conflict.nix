{ lib, ... }:
{
  imports = [
    { services.redis."x".port = 1; }
    { services.redis."x".bind = lib.mkForce "a"; }
    { services.redis."x".bind = lib.mkForce "b"; }
  ];
  services.redis."x" = { port = 2; bind = "c"; id = "mine"; };
}
