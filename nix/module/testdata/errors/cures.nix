{ lib, config, ... }:
{
  services.redis."a" = {
    port = "6379";
    enable = "yes";
    bind = 1;
    tags = "one";
    level = "debgu";
    package = "redis";
    tls.cert = "./cert.pem";
  };
  services.redis."b".port = lib.toInt "abc";
  services.redis."c".bind = config.services.redis."d".bind;
  services.redis."d".bind = config.services.redis."c".bind;
  redis."x".enable = true;
}
