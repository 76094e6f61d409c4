# What a definition says as services-flake has it: types of services that it brings along,
# each a module for one instance, which puts what is to run into
# outputs.settings.processes; and settings.processes of the container. Then services as
# nixpkgs has them, which are modules themselves.
#
# types are those types; those in users have no option user of their own. known says, by the
# name of the container and of a process, which service has it. A container without a name is
# "". modular are the names of nixpkgs' services.
{ types, users, known, modular }:
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
    } // lib.optionalAttrs (builtins.elem type users) {
      user = lib.mkOption {
        type = lib.types.nullOr (lib.types.either lib.types.str lib.types.int);
        default = null;
        description = "Who its processes run as, where nix2gpu runs as root.";
      };
    };
  };

  # What every service of nixpkgs' kind has beside the options of its module.
  service = { lib, pkgs, ... }: {
    options = with lib.types; {
      process.argv = lib.mkOption { type = listOf (oneOf [ str path package ]); description = "The command, as a list of words."; };
      configData = lib.mkOption {
        default = { };
        description = "The files that the command reads, by name.";
        type = attrsOf (submodule ({ name, config, ... }: {
          options = {
            enable = lib.mkOption { type = bool; default = true; description = "Whether there is this file."; };
            name = lib.mkOption { type = str; default = name; description = "The file's name."; };
            text = lib.mkOption { type = nullOr lines; default = null; description = "What is in the file."; };
            source = lib.mkOption { type = oneOf [ path package ]; description = "The file itself, instead of text."; };
            path = lib.mkOption { type = str; readOnly = true; default = "${config.source}"; description = "Where the file is."; };
          };
          config.source = lib.mkIf (config.text != null) (lib.mkDefault (pkgs.writeText (builtins.baseNameOf config.name) config.text));
        }));
      };
      services = lib.mkOption { type = attrsOf (serviceType lib pkgs); default = { }; description = "Services that belong to this one."; };
      assertions = lib.mkOption { type = listOf raw; default = [ ]; internal = true; };
      warnings = lib.mkOption { type = listOf str; default = [ ]; internal = true; };
      meta = lib.mkOption { type = raw; default = { }; internal = true; };
    };
  };

  serviceType = lib: pkgs: lib.types.submoduleWith { class = "service"; specialArgs = { inherit pkgs; }; modules = [ service ]; };

  # The service and those below it, as custom services. systemd restarts such services always.
  flattened = lib: name: one:
    let broken = builtins.filter (a: !a.assertion) one.assertions; in
    {
      ${name} = {
        enable = lib.mkDefault true;
        command =
          if broken != [ ] then throw (builtins.head broken).message
          else if one.process.argv == [ ] then throw "services.${name} needs process.argv: the words of its command"
          else lib.foldr lib.warn (map (word: "${word}") one.process.argv) one.warnings;
        restart = lib.mkDefault "always";
      };
    } // lib.concatMapAttrs (child: flattened lib "${name}-${child}") one.services;

  # What a process can say that a service understands under the same name, and what under
  # another one.
  same = [
    "command" "depends_on" "availability" "shutdown" "working_dir" "readiness_probe" "liveness_probe"
    "ready_log_line" "namespace" "environment" "description" "replicas"
  ];
  renamed = { is_tty = "tty"; is_daemon = "daemon"; launch_timeout_seconds = "launch_timeout"; };

  isSet = v: builtins.isAttrs v && !(v ? outPath);
  hasNull = v: v == null || isSet v && builtins.any hasNull (builtins.attrValues v);

  # A set without null stays the one that the user wrote, with its places.
  dropNulls = lib: v: if isSet v && hasNull v then lib.mapAttrs (_: dropNulls lib) (lib.filterAttrs (_: x: x != null) v) else v;

  said = lib: process: lib.filterAttrs (_: v: v != null && v != { }) process;

  # What a process says, in the words of a service. What no service has is an error of
  # the builder's, which knows the place.
  translated = lib: process:
    lib.concatMapAttrs
      (n: v: if builtins.elem n same then { ${n} = dropNulls lib v; } else lib.optionalAttrs (renamed ? ${n}) { ${renamed.${n}} = v; })
      (said lib process);

  disabled = lib: process:
    let v = if process.is_disabled or null != null then process.is_disabled else process.disabled or false;
    in builtins.elem (if builtins.isString v then lib.toLower v else v) [ true "true" "yes" "on" ];

  custom = lib: defaults: _: process:
    lib.mapAttrs (_: lib.mkDefault) (
      { namespace = defaults.namespace; }
      // lib.optionalAttrs (defaults.runAs or null != null) { user = defaults.runAs; }
      // translated lib process
      // lib.optionalAttrs (!(said lib process ? availability)) { restart = "no"; } # as process-compose
      // { enable = !disabled lib process; }
    );

  # One that the definition names "test" is not started with the others, and its end is
  # the end of everything.
  own = lib: name: process:
    custom lib { namespace = "default"; } name process
    // lib.optionalAttrs (name == "test" && !(process ? disabled || process ? is_disabled)) {
      profiles = lib.mkDefault [ "test" ];
      restart = lib.mkDefault "no";
      availability = lib.mapAttrs (_: lib.mkDefault) ({ exit_on_end = true; exit_on_skipped = true; } // (said lib process).availability or { });
    };

  # What is said of a process that a service has already.
  override = lib: process:
    translated lib process // lib.optionalAttrs (disabled lib process) { enable = lib.mkForce false; };

in
{
  inherit instance;

  # Each process becomes a custom service, unless a service has it.
  bridge = { config, lib, name, pkgs, ... }:
    let
      here = known."" or known.${name} or { };
      instances = lib.concatMap
        (type: map (one: one // { runAs = if builtins.elem type users then one.user else null; })
          (builtins.filter (one: one.enable) (builtins.attrValues config.services.${type})))
        types;
      made = lib.concatMap (one: builtins.attrNames one.outputs.settings.processes) instances;
      processes = config.settings.processes;
      # Which options are set must not depend on what services there are.
      saysOf = type: lib.mapAttrsToList
        (n: process: {
          ${here.${n}.instance} =
            if here.${n}.part then { depends_on = (said lib process).depends_on or { }; }
            else override lib (builtins.removeAttrs process here.${n}.lacks);
        })
        (lib.filterAttrs (n: _: here ? ${n} && here.${n}.type == type) processes);
    in
    {
      options.services = lib.genAttrs modular (_: lib.mkOption { type = lib.types.nullOr (serviceType lib pkgs); default = null; });
      config.services = lib.genAttrs (lib.unique (map (p: p.type) (builtins.attrValues here))) (type: lib.mkMerge (saysOf type))
      // {
        custom = lib.mkMerge (
          map (one: lib.mapAttrs (custom lib one) one.outputs.settings.processes) instances
          ++ lib.mapAttrsToList
            (n: process: { ${n} = if builtins.elem n made then override lib process else own lib n process; })
            (lib.filterAttrs (n: process: !here ? ${n} && (builtins.elem n made || process.command or null != null)) processes)
          ++ saysOf "custom"
          ++ map (n: lib.optionalAttrs (config.services.${n} != null) (flattened lib n config.services.${n})) modular
        );
      };
    };
}
