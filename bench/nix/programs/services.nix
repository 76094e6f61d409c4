# 26 services, as a definition with modules in the manner of services-flake has them.
let
  lib = import <lib>;
  inherit (lib) mkOption mkIf mkMerge types;
  probe = types.submodule {
    options = {
      exec.command = mkOption { type = types.nullOr types.str; default = null; };
      http_get = mkOption {
        default = null;
        type = types.nullOr (types.submodule {
          options = {
            host = mkOption { type = types.str; default = "127.0.0.1"; };
            port = mkOption { type = types.nullOr types.port; default = null; };
            path = mkOption { type = types.str; default = "/"; };
            scheme = mkOption { type = types.enum [ "http" "https" ]; default = "http"; };
          };
        });
      };
      initial_delay_seconds = mkOption { type = types.int; default = 0; };
      period_seconds = mkOption { type = types.int; default = 10; };
      timeout_seconds = mkOption { type = types.int; default = 4; };
      success_threshold = mkOption { type = types.ints.positive; default = 1; };
      failure_threshold = mkOption { type = types.ints.positive; default = 3; };
    };
  };
  process = { name, ... }: {
    options = {
      command = mkOption { type = types.either types.str types.package; };
      working_dir = mkOption { type = types.nullOr types.str; default = null; };
      namespace = mkOption { type = types.str; default = "default"; };
      description = mkOption { type = types.str; default = name; };
      environment = mkOption { type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.int types.bool ])); default = { }; };
      depends_on = mkOption {
        default = { };
        type = types.attrsOf (types.submodule {
          options.condition = mkOption { type = types.enum [ "process_healthy" "process_started" "process_completed_successfully" ]; default = "process_healthy"; };
        });
      };
      availability = {
        restart = mkOption { type = types.enum [ "no" "always" "on_failure" ]; default = "on_failure"; };
        backoff_seconds = mkOption { type = types.ints.unsigned; default = 1; };
        max_restarts = mkOption { type = types.ints.unsigned; default = 5; };
        exit_on_end = mkOption { type = types.bool; default = false; };
      };
      shutdown = {
        signal = mkOption { type = types.ints.between 1 64; default = 15; };
        timeout_seconds = mkOption { type = types.ints.positive; default = 10; };
        command = mkOption { type = types.nullOr types.str; default = null; };
      };
      readiness_probe = mkOption { type = types.nullOr probe; default = null; };
      liveness_probe = mkOption { type = types.nullOr probe; default = null; };
      log_location = mkOption { type = types.nullOr types.str; default = null; };
      disabled = mkOption { type = types.bool; default = false; };
      is_daemon = mkOption { type = types.bool; default = false; };
    };
  };
  server = { name, config, ... }: {
    options = {
      enable = lib.mkEnableOption name;
      dataDir = mkOption { type = types.str; default = "./data/${name}"; };
      listen = mkOption { type = types.str; default = "127.0.0.1"; };
      port = mkOption { type = types.port; default = 6379; };
      extraConfig = mkOption { type = types.lines; default = ""; };
      settings = mkOption { type = types.attrsOf (types.oneOf [ types.str types.int types.bool (types.listOf types.str) ]); default = { }; };
      databases = mkOption {
        default = [ ];
        type = types.listOf (types.submodule {
          options = {
            name = mkOption { type = types.str; };
            owner = mkOption { type = types.nullOr types.str; default = null; };
            schemas = mkOption { type = types.listOf types.str; default = [ ]; };
          };
        });
      };
      namespace = mkOption { type = types.str; default = "servers"; };
      outputs.settings.processes = mkOption { type = types.attrsOf (types.submodule process); default = { }; internal = true; };
    };
    config = mkIf config.enable {
      settings = {
        bind = lib.mkDefault config.listen;
        port = lib.mkDefault config.port;
        appendonly = lib.mkDefault true;
      };
      outputs.settings.processes = {
        "${name}-init" = {
          command = "mkdir -p ${config.dataDir}";
          inherit (config) namespace;
        };
        ${name} = {
          inherit (config) namespace;
          command = "server ${lib.concatStringsSep " " (lib.mapAttrsToList (key: value: "--${key} ${lib.generators.mkValueStringDefault { } (if lib.isList value then lib.concatStringsSep "," value else value)}") config.settings)}";
          depends_on."${name}-init".condition = "process_completed_successfully";
          readiness_probe = {
            exec.command = "ping -h ${config.listen} -p ${toString config.port}";
            initial_delay_seconds = 2;
          };
          environment = { DATA = config.dataDir; PORT = config.port; };
        };
      };
    };
  };
  many = n: builtins.genList (i: i) n;
  definition = { config, ... }: {
    options = {
      services = mkOption { type = types.attrsOf (types.attrsOf (types.submodule server)); default = { }; };
      settings.processes = mkOption { type = types.attrsOf (types.submodule process); default = { }; };
    };
    config.settings.processes = mkMerge (lib.concatMap (type: map (one: mkIf one.enable one.outputs.settings.processes) (lib.attrValues type)) (lib.attrValues config.services));
  };
  user = {
    services = lib.genAttrs [ "redis" "postgres" ] (type: lib.listToAttrs (map (i: lib.nameValuePair "${type}${toString i}" {
      enable = true;
      port = 7000 + i;
      settings.maxmemory = "${toString (i + 1)}gb";
      databases = [ { name = "one"; } { name = "two"; owner = "app"; schemas = [ "a.sql" "b.sql" ]; } ];
    }) (many 13)));
    settings.processes.redis0.environment.EXTRA = "yes";
  };
  r = (lib.evalModules { modules = [ definition user ]; }).config;
in
builtins.stringLength (builtins.toJSON { inherit (r) settings services; })
