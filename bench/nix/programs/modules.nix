let
  lib = import <lib>;
  names = map (n: "opt${toString n}") (lib.range 1 200);
  sub = { name, config, ... }: {
    options = lib.genAttrs (map (n: "f${toString n}") (lib.range 1 10)) (n: lib.mkOption { type = lib.types.str; default = name + n; });
  };
  r = (lib.evalModules {
    modules = [
      { options = lib.genAttrs names (n: lib.mkOption { type = lib.types.int; default = 1; }); }
      { options.sub = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule sub); default = { }; }; }
      { config = lib.genAttrs names (n: lib.mkDefault 2); }
      ({ config, ... }: { config = lib.genAttrs names (n: lib.mkIf (n == "opt1") (lib.mkForce (config.opt2 + 1))); })
      { sub = lib.genAttrs (map (n: "s${toString n}") (lib.range 1 20)) (n: { f1 = n; f2 = lib.mkForce "x"; }); }
    ];
  }).config;
in
builtins.stringLength (builtins.toJSON r)
