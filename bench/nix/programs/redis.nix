# One server of the manner of services-flake, and what a start of one costs.
let
  lib = import <lib>;
  inherit (lib) mkOption types;
  redis = { config, ... }: {
    options = {
      enable = lib.mkEnableOption "redis";
      bind = mkOption { type = types.nullOr types.str; default = "127.0.0.1"; };
      port = mkOption { type = types.port; default = 6379; };
      unixSocket = mkOption { type = types.nullOr types.str; default = null; };
      extraConfig = mkOption { type = types.lines; default = ""; };
      settings = mkOption { type = types.submodule { freeformType = types.attrsOf (types.oneOf [ types.str types.int ]); }; default = { }; };
      command = mkOption { type = types.str; };
    };
    config = lib.mkIf config.enable {
      settings.save = lib.mkDefault "60 1";
      command = "redis-server --port ${toString config.port}" + lib.optionalString (config.bind != null) " --bind ${config.bind}"
        + lib.concatStrings (lib.mapAttrsToList (k: v: " --${k} ${toString v}") config.settings);
    };
  };
in
(lib.evalModules { modules = [ redis { enable = true; settings.maxmemory = "1gb"; } ]; }).config.command
