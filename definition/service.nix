# Types of services that a definition brings along, as services-flake writes
# them: a module for one instance, which puts what is to run into
# outputs.settings.processes.
{ types }:
let
  # What every instance of a type has beside the options of its module.
  instance = type: { name, config, lib, ... }: {
    options = {
      enable = lib.mkEnableOption "this service";
      dataDir = lib.mkOption { type = lib.types.str; default = "./data/${name}"; description = "Where the service keeps its data."; };
      namespace = lib.mkOption { type = lib.types.str; default = "${type}.${name}"; description = "A group of services that the command line can name at once."; };
      outputs.defaultProcessSettings = lib.mkOption { type = lib.types.raw; internal = true; default = { namespace = lib.mkDefault config.namespace; }; };
      outputs.settings = lib.mkOption {
        internal = true;
        default = { };
        type = lib.types.submodule {
          freeformType = lib.types.attrsOf lib.types.anything;
          options.processes = lib.mkOption {
            default = { };
            type = lib.types.attrsOf (lib.types.submodule ({ lib, ... }: {
              freeformType = lib.types.attrsOf lib.types.anything;
              options.command = lib.mkOption {
                type = lib.types.nullOr (lib.types.either lib.types.package lib.types.str);
                default = null; # a package is run by its main program, as in a custom service
              };
            }));
          };
        };
      };
    };
  };

  # What a process can say that a custom service understands under the same
  # name. The rest concerns process-compose itself.
  understood = [
    "command" "depends_on" "availability" "shutdown" "working_dir" "readiness_probe" "liveness_probe"
    "ready_log_line" "namespace" "environment" "description"
  ];

  dropNulls = lib: v:
    if builtins.isAttrs v && !(v ? outPath) then lib.mapAttrs (_: dropNulls lib) (lib.filterAttrs (_: x: x != null) v) else v;

  custom = lib: defaults: process:
    lib.mapAttrs (_: lib.mkDefault) (
      { namespace = defaults.namespace; }
      // dropNulls lib (lib.filterAttrs (n: v: builtins.elem n understood && v != null) process)
      // lib.optionalAttrs (!(process ? availability)) { restart = "no"; } # as process-compose
      // { enable = !(process.disabled or process.is_disabled or false == true); }
    );
in
{
  inherit instance;

  # Each process becomes a custom service.
  bridge = { config, lib, ... }: {
    services.custom = lib.mkMerge (lib.concatMap
      (type: lib.mapAttrsToList
        (_: one: lib.mkIf one.enable (lib.mapAttrs (_: custom lib one) one.outputs.settings.processes))
        config.services.${type})
      types);
  };
}
