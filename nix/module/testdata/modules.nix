lib: with lib;
let
  ev = modules: (evalModules { inherit modules; }).config;
  opt = type: mkOption { inherit type; };
  sub = types.submodule { options.x = mkOption { type = types.int; default = 1; }; options.y = mkOption { type = types.str; default = "d"; }; };
  named = types.submodule ({ name, config, ... }: { options.n = mkOption { default = name; }; options.m = mkOption { default = "${config.n}!"; }; });
in
{
  submodule = ev [ { options.s = opt sub; } { s.x = 2; } { s.y = "q"; } ];
  submodules = ev [ { options.s = opt (types.attrsOf sub); } { s.a.x = 5; } { s.b = { }; } { s.a = { y = "z"; }; } ];
  named = ev [ { options.s = opt (types.attrsOf named); } { s.foo = { }; s.bar.n = "other"; } ];
  subList = ev [ { options.s = opt (types.listOf sub); } { s = [ { x = 2; } { y = "k"; } ]; } ];
  subFunction = ev [ { options.s = opt (types.attrsOf sub); } { s.a = { config, ... }: { x = 3; y = toString config.x; }; } ];
  subForce = ev [ { options.s = opt (types.attrsOf sub); } { s.a.x = mkForce 5; } { s.a.x = 6; } ];
  subWith = ev [ { options.s = opt (types.submoduleWith { specialArgs.k = 7; modules = [ ({ k, ... }: { options.x = mkOption { default = k; }; }) ]; }); config.s = { }; } ];
  nullSub = ev [ { options.s = opt (types.nullOr sub); } { s = null; } ];
  specialArgs = (evalModules { specialArgs.z = 3; modules = [ ({ z, ... }: { options.a = mkOption { default = z; }; }) ]; }).config;
  moduleArgs = ev [ ({ pkgs, ... }: { options.a = mkOption { default = pkgs.x; }; }) { _module.args.pkgs = { x = 4; }; } ];
  freeform = ev [ { freeformType = types.attrsOf types.int; options.a = mkOption { default = "s"; }; } { b = 1; c = mkIf false 2; d = mkMerge [ 3 ]; } ];
  freeformNested = ev [ { freeformType = types.attrsOf (types.attrsOf types.int); options.a.k = mkOption { default = "s"; }; } { a.j = 1; b.x = 2; } ];
  freeformSub = ev [ { options.s = opt (types.submodule { freeformType = types.anything; options.x = mkOption { default = 1; }; }); } { s.free.deep = [ 1 ]; } ];
  dedupe = (ev [ { options.a = opt (types.listOf types.int); } { key = "k"; a = [ 1 ]; } { key = "k"; a = [ 2 ]; } ]).a;
  disabled = (ev [ { options.a = opt (types.listOf types.int); } { key = "k"; a = [ 1 ]; } { disabledModules = [ { key = "k"; } ]; a = [ 2 ]; } ]).a;
  declaredTwice = ev [ { options.a = opt (types.attrsOf sub); } { options.a = opt (types.attrsOf (types.submodule { options.z = mkOption { default = 0; }; })); } { a.i = { }; } ];
  enumsJoin = ev [ { options.a = opt (types.enum [ 1 ]); } { options.a = opt (types.enum [ 2 ]); } { a = 2; } ];
  optionBelow = ev [ { options.a = mkOption { type = types.submodule { }; default = { }; }; } { options.a.z = mkOption { default = 8; }; } ];
  alias = let c = ev [ (mkAliasOptionModule [ "old" "name" ] [ "new" ]) { options.new = opt types.int; } { old.name = 5; } ]; in [ c.new c.old.name ];
  renamed = (ev [ (mkRenamedOptionModule [ "old" ] [ "new" ]) { options.new = opt types.int; options.warnings = opt (types.listOf types.str); config.warnings = [ ]; } { old = mkForce 5; new = 1; } ]).new;
  derived = (ev [ ({ options, ... }: { options.a = opt types.int; options.b = opt types.int; config.b = mkDerivedConfig options.a (x: x + 1); }) { a = mkDefault 1; } ]).b;
  optionsArg = (ev [ ({ options, ... }: { options.a = mkOption { default = 1; type = types.int; }; options.b = mkOption { default = [ options.a.isDefined options.a.highestPrio options.a.loc options.a.value options.a.type.description ]; }; }) { a = 2; } ]).b;
  definitions = (ev [ ({ options, ... }: { options.a = opt (types.listOf types.int); options.b = mkOption { default = options.a.definitions; }; }) { a = [ 2 ]; } { a = [ 3 ]; } ]).b;
  extend = ((evalModules { modules = [ { options.a = opt types.int; } { a = mkDefault 1; } ]; }).extendModules { modules = [ { a = 2; } ]; }).config;
  typeOfEval = ev [ { options.s = opt (evalModules { modules = [ { options.q = mkOption { default = 1; }; } ]; }).type; } { s.q = 4; } ];
  deferred = let m = (ev [ { options.m = opt types.deferredModule; } { m.x = 3; } { m = { config, ... }: { y = config.x + 1; }; } ]).m;
    in ev [ m { options.x = opt types.int; options.y = opt types.int; } ];
  mkOptionType = ev [ { options.a = opt (mkOptionType { name = "even"; check = x: builtins.isInt x; merge = loc: defs: builtins.foldl' (s: d: s + d.value) 0 defs; }); } { a = 2; } { a = 4; } ];
  typeUpdate = (builtins.tryEval (ev [ { options.a = opt (types.int // { check = x: x == 3; }); } { a = 4; } ]).a).success;
  mkOptionTypeIn = ev [ { options.a = opt (types.attrsOf (mkOptionType { name = "t"; merge = mergeOneOption; })); } { a.x = 2; a.y = "s"; } ];
  checks = [ (types.int.check 1) (types.int.check "x") ((types.listOf types.int).check [ "x" ]) ((types.nullOr types.int).check null) ((types.enum [ 1 2 ]).check 3) ];
  descriptions = map (t: t.description) (with types; [ int str bool (listOf str) (attrsOf (nullOr int)) port (enum [ "a" "b" ]) (either int str) lines path package ]);
  typeMerge = types.int.merge [ "a" ] [ { file = "f"; value = 1; } ];
  subOptions = builtins.attrNames ((types.attrsOf sub).getSubOptions [ "s" ]);
  docs = map (d: { inherit (d) name type; }) (builtins.filter (d: !d.internal && !(hasPrefix "_module" d.name)) (optionAttrSetToDocList (evalModules { modules = [ { options.s = opt (types.attrsOf sub); options.t = mkEnableOption "t"; } ]; }).options));
  lazyCycle = (ev [ { options.s = opt (types.lazyAttrsOf types.int); } ({ config, ... }: { s.a = 1; s.b = config.s.a + 1; }) ]).s;
  assertionsLike = (ev [ { options.assertions = opt (types.listOf types.unspecified); config.assertions = [ { assertion = true; message = "m"; } ]; } ]).assertions;
  perInstance = ev [ ({ config, ... }: { options.svc = opt (types.attrsOf (types.submodule ({ name, ... }: { options.port = mkOption { default = builtins.stringLength name; }; options.enable = mkEnableOption name; }))); options.ports = mkOption { default = mapAttrsToList (n: s: s.port) (filterAttrs (n: s: s.enable) config.svc); }; }) { svc.abc.enable = true; svc.de.enable = true; svc.x = { }; } ];
  recursiveType = let v = types.nullOr (types.oneOf [ types.int types.str (types.attrsOf v) (types.listOf v) ]) // { description = "value"; }; in
    (ev [ { options.a = opt v; } { a.b = [ 1 { c = null; } ]; } { a.d = "x"; } ]).a;
  applyUnset = (ev [ ({ config, options, ... }: { options.a = mkOption { type = types.raw; readOnly = true; apply = if options.a.isDefined then x: x else x: config.b; }; options.b = opt types.int; config.b = 4; }) ]).a;
  lazyDeclaration = (ev [ ({ options, ... }: { options.a = mkOption ({ default = 1; } // optionalAttrs (options.b ? type) { type = types.int; }); options.b = opt types.int; }) ]).a;
  nothingAssigned = ev [ { options = { a = opt (types.attrsOf types.int); b = opt (types.listOf types.int); c = opt (types.nullOr types.int); d = opt sub; e = opt types.attrs; f = opt (types.uniq (types.listOf types.int)); }; } ];
  nothingInLazy = (ev [ { options.a = opt (types.lazyAttrsOf sub); } { a.x = mkIf false { }; } ]).a;
  class = map (class: (builtins.tryEval (evalModules { inherit class; modules = [ { _class = "a"; options.x = mkOption { default = 1; }; } ]; }).config.x).success) [ "a" "b" null ];
  userTypesJoin =
    let
      deferred = { static ? [ ] }: mkOptionType {
        name = "deferredList";
        check = x: builtins.isAttrs x || builtins.isFunction x;
        merge = loc: defs: static ++ map (d: d.value) defs;
        functor = types.defaultFunctor "deferredList" // { type = deferred; payload = { inherit static; }; binOp = a: b: { static = a.static ++ b.static; }; };
      };
    in (ev [ { options.a = opt (deferred { static = [ { s = 1; } ]; }); } { options.a = opt (deferred { static = [ { s = 2; } ]; }); } { a.v = 3; } ]).a;
  typesDoNotJoin = (builtins.tryEval (ev [ { options.a = opt types.int; } { options.a = opt types.str; } { a = 1; } ]).a).success;
  nestedJoin = (ev [ { options.a = opt (types.nullOr (types.listOf (types.enum [ "a" ]))); } { options.a = opt (types.nullOr (types.listOf (types.enum [ "b" ]))); } { a = [ "a" "b" ]; } ]).a;
  subst = (ev [ { options.a = opt ((types.attrsOf sub).substSubModules [ { options.q = mkOption { default = 1; }; } ]); } { a.i = { }; } ]).a;
  setDefaultModuleLocation = (ev [ (setDefaultModuleLocation "here" { options.a = mkOption { default = 1; }; }) ({ options, ... }: { options.d = mkOption { default = options.a.declarations; }; }) ]).d;
  optionsFiles = (ev [ { _file = "f1"; options.a = opt types.int; } { _file = "f2"; a = 1; } ({ options, ... }: { options.d = mkOption { default = options.a.files; }; }) ]).d;
  definitionsWithLocations = (ev [ { _file = "f1"; options.a = opt types.int; } { _file = "f2"; a = 1; } ({ options, ... }: { options.d = mkOption { default = options.a.definitionsWithLocations; }; }) ]).d;
  mkAliasDefinitions = (ev [ ({ options, ... }: { options.a = opt types.int; options.b = opt types.int; config.b = mkAliasDefinitions options.a; }) { a = mkForce 4; } { b = mkDefault 1; } ]).b;
  mkMerged = (ev [ (mkMergedOptionModule [ [ "x" ] [ "y" ] ] [ "z" ] (c: "${toString c.x}-${toString c.y}")) { options.z = opt types.str; options.warnings = opt (types.listOf types.str); } { x = 1; y = 2; } ]).z;
  mkRemoved = map (a: a.assertion) (ev [ (mkRemovedOptionModule [ "gone" ] "use z") { options.assertions = opt (types.listOf types.unspecified); } ]).assertions;
  submoduleShorthand = ev [ { options.s = opt (types.submoduleWith { shorthandOnlyDefinesConfig = true; modules = [ { options.config = mkOption { type = types.int; default = 0; }; } ]; }); } { s.config = 4; } ];
  submoduleImports = ev [ { options.s = opt (types.submoduleWith { modules = [ ]; }); } { s = { options.k = mkOption { default = 1; }; config.k = 3; }; } ];
  evalModulesPrefix = ((evalModules { prefix = [ "p" "q" ]; modules = [ { options.a = opt types.int; } ]; }).options.a.loc);
}
