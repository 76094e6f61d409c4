{ lib, ... }:
{
  options.extra = lib.mkOption { type = lib.types.int; };
  config.extra = 1;
  services.redis."x".port = 1;
}
