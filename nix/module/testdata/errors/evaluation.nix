{ config, lib, pkgz, ... }:
{
  services.redis."a".port = config.services.reddis;
  services.redis."b".bind = throw "no address";
  services.redis."c".port = config.services.redis."c".port + 1;
  services.redis."d".port = "x";
  services.redis."e" = lib.mkIf "yes" { port = 1; };
  services.redis."f".bind = pkgz.hello;
}
