lib: with lib;
let
  ev = modules: (evalModules { inherit modules; }).config;
  opt = type: mkOption { inherit type; };
  one = type: values: (ev ([ { options.a = opt type; } ] ++ map (v: { a = v; }) values)).a;
  ok = type: values: (builtins.tryEval (builtins.deepSeq (one type values) true)).success;
  fails = modules: ! (builtins.tryEval (builtins.deepSeq (ev modules) true)).success;
  tag = types.attrTag { int = opt types.int; list = mkOption { type = types.listOf types.int; description = "a list"; }; none = mkOption { default = 5; type = types.int; apply = x: x + 1; }; sub = opt (types.submodule { options.x = mkOption { default = 1; type = types.int; }; }); };
in
{
  attrTag = [ (one tag [ { int = 3; } ]) (one tag [ { list = [ 1 ]; } { list = [ 2 ]; } ]) (one tag [ { sub = { }; } { sub.x = mkForce 4; } ]) (one tag [ { int = mkDefault 1; } { int = 2; } ]) (one tag [ { none = 1; } ]) ];
  attrTagWrong = map (ok tag) [ [ { int = "s"; } ] [ { other = 1; } ] [ { int = 1; list = [ ]; } ] [ { int = 1; } { list = [ ]; } ] [ 1 ] ];
  attrTagText = [ tag.name tag.description (map (v: tag.check v) [ { int = 1; } { } { x = 1; } 1 ]) (builtins.attrNames (tag.getSubOptions [ "p" ])) ((tag.getSubOptions [ "p" ]).list.loc) ];
  attrTagTwice = ev [ { options.a = opt (types.attrTag { x = opt types.int; }); } { options.a = opt (types.attrTag { y = opt types.str; }); } { a.y = "s"; } ];
  attrTagIn = ev [ { options.a = opt (types.attrsOf tag); } { a.p.int = 1; a.q.list = [ 2 ]; } ];
  attrTagBare = (builtins.tryEval (ok (types.attrTag { x = types.int; }) [ { x = 1; } ])).value;

  attrList = [
    (one (types.attrListOf types.int) [ [ { b = 1; } { a = 2; } { b = 3; } ] ]) (one (types.attrListOf types.int) [ { b = 1; a = 2; } [ { c = 3; } ] ])
    (one (types.attrListOf types.int) [ [ { a = 1; } ] (mkBefore [ { b = 2; } ]) ]) (one (types.attrListOf types.int) [ [ (mkAfter { a = 1; }) { b = mkBefore 2; } { c = 3; } ] ])
    (one (types.attrListOf types.int) [ [ { a = 1; } ] [ { a = mkForce 2; } { b = 3; } ] ]) (one (types.attrListOf types.int) [ [ { a = mkIf false 1; } { b = mkIf true 2; } ] ])
    (one (types.attrListOf types.int) [ [ { a = mkDefault 1; } { b = 2; } ] ]) (one (types.attrListWith { elemType = types.int; asAttrs = true; }) [ [ { a = 1; } { b = 2; } { a = 3; } ] ])
    (one (types.attrListWith { elemType = types.int; asAttrs = true; mergeAttrValues = n: vs: foldl' add 0 vs; }) [ { a = 1; } { a = 5; } ])
    (one (types.attrListOf (types.submodule { options.x = mkOption { default = 1; }; })) [ [ { s = { }; } { t.x = 2; } ] ])
  ];
  attrListWrong = map (ok (types.attrListOf types.int)) [ [ [ { a = 1; b = 2; } ] ] [ [ 1 ] ] [ [ { } ] ] [ 1 ] [ [ { a = "s"; } ] ] [ ] ];
  attrListText = [ (types.attrListOf types.int).description (types.attrListOf (types.nullOr types.int)).description (types.attrListOf types.int).emptyValue ];

  pathWith = map (t: map (v: t.check v) [ "/a" "a" /a "/nix/store/nvl9ic0pj1fpyln3zaqrf4cclbqdfn1j-x" /nix/store/nvl9ic0pj1fpyln3zaqrf4cclbqdfn1j-x { outPath = "/nix/store/nvl9ic0pj1fpyln3zaqrf4cclbqdfn1j-x"; } { __toString = s: "/b"; } 1 null { } "" ]) [
    (types.pathWith { absolute = true; }) (types.pathWith { absolute = true; inStore = false; }) types.path types.externalPath (types.pathWith { inStore = true; absolute = true; })
  ];
  pathRelative = map (v: (types.pathWith { absolute = false; }).check v) [ "/a" "a" "./a" "" 1 /a ];
  pathAny = map (v: (types.pathWith { }).check v) [ "/a" "a" 1 /a null ];
  pathText = map (t: [ t.name t.description ]) [ (types.pathWith { }) (types.pathWith { absolute = true; }) (types.pathWith { absolute = false; }) (types.pathWith { inStore = true; absolute = true; }) types.pathInStore types.externalPath types.path (types.pathWith { absolute = true; inStore = false; }) ];
  pathStore = [ (types.pathInStore.check "/nix/store/nvl9ic0pj1fpyln3zaqrf4cclbqdfn1j-x") (types.pathInStore.check "/a") (builtins.tryEval (types.pathWith { inStore = true; absolute = false; }).name).success ];
  pathTwice = [ (fails [ { options.a = opt types.path; } { options.a = opt types.externalPath; } { a = "/x"; } ]) (fails [ { options.a = opt types.path; } { options.a = opt types.path; } { a = "/x"; } ]) ];

  functionTo = let f = one (types.functionTo (types.listOf types.int)) [ (x: [ x ]) (x: [ (x + 1) ]) ]; in [ (f 1) (types.isOptionType (types.functionTo types.int)) (types.functionTo types.int).description ];
  functionToArgs = builtins.functionArgs (one (types.functionTo types.int) [ ({ a, b ? 1 }: a) ] // { }).__functor or { };
  functionToNames = lib.functionArgs (one (types.functionTo types.raw) [ ({ a, b ? 1 }: a) ]);
  functionToWrong = [ (builtins.tryEval ((one (types.functionTo types.int) [ (x: "s") ]) 1)).success (ok (types.functionTo types.int) [ 1 ]) ];
  functionToSub = ((one (types.functionTo (types.submodule { options.x = opt types.int; })) [ (x: { inherit x; }) ]) 7).x;

  coerced = let c = types.coercedTo types.int toString types.str; in [ (one c [ 5 ]) (one c [ "s" ]) (one (types.listOf c) [ [ 1 "b" ] ]) (ok c [ true ]) c.description (one (types.coercedTo (types.listOf types.str) (concatStringsSep ",") types.commas) [ [ "a" "b" ] "c" ]) (c.check 1) (c.check [ ]) ];
  coercedUnsound = [ ((types.coercedTo types.str toInt types.int).check "1") (ok (types.coercedTo types.int (x: x) types.str) [ 1 ]) ];
  coercedFromSub = (builtins.tryEval (types.coercedTo (types.submodule { }) toString types.str).name).success;
  coercedSub = one (types.attrsOf (types.coercedTo types.str (s: { x = s; }) (types.submodule { options.x = opt types.str; }))) [ { a = "v"; b.x = "w"; } ];
  optionType = [ (one types.optionType [ types.int ]).name (one types.optionType [ (types.enum [ 1 ]) (types.enum [ 2 ]) ]).description (ok types.optionType [ types.int types.str ]) ];
  optionTypeSub = (one types.optionType [ (types.submodule { options.x = opt types.int; }) (types.submodule { options.y = opt types.int; }) ]).description;
  optionDeclaration = map types.optionDeclaration.check [ (mkOption { }) types.int { } 1 ];
  mergeTypes = [ (types.mergeTypes (types.enum [ 1 ]) (types.enum [ 2 ])).description (types.mergeTypes types.int types.str)._type (types.mergeTypes types.int types.int).name ];
  passwd = let p = types.passwdEntry types.str; in [ p.name p.description (map p.check [ "a" "a:b" "a\nb" 1 ]) ];
  pkgs = [ types.pkgs.description (map types.pkgs.check [ { _type = "pkgs"; } { } 1 ]) (ok types.pkgs [ { _type = "pkgs"; a = 1; } ]) (ok types.pkgs [ { _type = "pkgs"; } { _type = "pkgs"; } ]) ];
  luaInline = map types.luaInline.check [ (mkLuaInline "f") "f" { } ];
  shellPackage = map types.shellPackage.check [ { type = "derivation"; outPath = "/x"; } { type = "derivation"; outPath = "/x"; shellPath = "/bin/sh"; } ];
  serializable = let s = types.serializableValueWith { typeName = "X"; }; t = types.serializableValueWith { typeName = "Y"; nullable = false; }; in [ s.description (ok s [ null ]) (ok t [ null ]) (one s [ { a = [ 1 "b" { c = 1.5; } ]; } { b = null; } ]) (ok s [ (x: x) ]) ];
  formats = map (t: [ t.description (ok t [ null ]) (ok t [ { a = [ 1 ]; } ]) (ok t [ (x: x) ]) (ok t [ { a = x: x; } ]) (ok t [ { a = null; } ]) ]) [ types.json types.toml ];
  nested = map (t: builtins.attrNames t.nestedTypes) (with types; [ int (listOf int) (attrsOf int) (nullOr int) (either int str) (coercedTo int toString str) (functionTo int) (uniq int) tag (submodule { }) (attrListOf int) (submodule { freeformType = attrsOf int; }) ]);
  names = map (t: t.name) (with types; [ unspecified raw anything bool boolByOr int float number str nonEmptyStr singleLineStr lines commas envVar (strMatching "a") attrs package path (listOf int) (attrsOf int) (lazyAttrsOf int) (nullOr int) (functionTo int) (submodule { }) deferredModule optionType (enum [ 1 ]) (either int str) (oneOf [ int str bool ]) (uniq int) (coercedTo int toString str) ints.unsigned ints.positive ints.u8 ints.s16 port (ints.between 1 2) numbers.positive numbers.nonnegative (numbers.between 1 2) fileset luaInline (nonEmptyListOf int) ]);
  descriptions = map (t: t.description) (with types; [ unspecified raw anything bool boolByOr int float number str nonEmptyStr singleLineStr lines commas envVar (strMatching "a*") attrs package (listOf int) (attrsOf int) (lazyAttrsOf int) (nullOr int) (functionTo int) (submodule { }) deferredModule optionType (enum [ ]) (enum [ 1 ]) (enum [ "a" true 2 ]) (either int str) (oneOf [ int str bool ]) (uniq int) (coercedTo int toString str) ints.unsigned ints.positive ints.u8 ints.s16 port (ints.between 1 2) numbers.positive numbers.nonnegative (numbers.between 1 2.5) fileset ]);
  classes = map (t: t.descriptionClass) (with types; [ unspecified raw anything bool int str (listOf int) (attrsOf int) (nullOr int) (either int str) (enum [ 1 2 ]) (enum [ 1 ]) (submodule { }) ints.unsigned port (functionTo int) (uniq int) attrs package path optionType lines (strMatching "a") (coercedTo int toString str) ]);
  submoduleFreeform = (types.submodule { freeformType = types.attrsOf types.int; }).description;
  placeholder = builtins.attrNames ((types.attrsWith { elemType = types.submodule { options.x = opt types.int; }; placeholder = "id"; }).getSubOptions [ "p" ]);
  placeholderLoc = ((types.attrsWith { elemType = types.submodule { options.x = opt types.int; }; placeholder = "id"; }).getSubOptions [ "p" ]).x.loc;
  empty = map (t: t.emptyValue) (with types; [ int (listOf int) (attrsOf int) (nullOr int) (nonEmptyListOf int) attrs (uniq (listOf int)) fileset ]) == null;

  submoduleWith = [
    (one (types.submoduleWith { modules = [ { options.x = mkOption { default = 1; }; } ]; shorthandOnlyDefinesConfig = true; }) [ { x = 2; } ])
    (one (types.submoduleWith { modules = [ ({ name, ... }: { options.n = mkOption { default = name; }; }) ]; }) [ { } ])
    (one (types.submoduleWith { modules = [ ]; }) [ { options.z = mkOption { default = 3; }; } { config.z = 4; } ])
    (types.submoduleWith { modules = [ ]; description = "my thing"; }).description (types.submodule { }).getSubModules
  ];
  submoduleTwice = [
    (fails [ { options.a = opt (types.submoduleWith { modules = [ ]; specialArgs.x = 1; }); } { options.a = opt (types.submoduleWith { modules = [ ]; specialArgs.x = 1; }); } { a = { }; } ])
    (fails [ { options.a = opt (types.submoduleWith { modules = [ ]; class = "p"; }); } { options.a = opt (types.submoduleWith { modules = [ ]; class = "q"; }); } { a = { }; } ])
  ];
  submoduleClass = [ (fails [ { options.a = opt (types.submoduleWith { modules = [ ]; class = "p"; }); } { a = { _class = "q"; }; } ]) (fails [ { options.a = opt (types.submoduleWith { modules = [ ]; class = "p"; }); } { a = { _class = "p"; }; } ]) ];
  submoduleArgs = (ev [ { options.a = opt (types.submoduleWith { specialArgs.k = 5; modules = [ { options.x = opt types.int; options.y = opt types.int; } ]; }); } { a = { k, config, ... }: { x = k; y = config.x + 1; }; } ]).a;
  deferredWith = let
    t = types.deferredModuleWith { staticModules = [ { options.x = mkOption { default = 1; type = types.int; }; } ]; };
    m = one t [ { x = 2; } ({ config, ... }: { options.y = mkOption { default = config.x; }; }) ];
  in [ (ev [ m ]) t.description t.name (builtins.length t.getSubModules) (builtins.attrNames (t.getSubOptions [ ])) ];
  deferredTwice = let
    d = n: types.deferredModuleWith { staticModules = [ { options.${n} = mkOption { default = n; }; } ]; };
    m = (ev [ { options.a = opt (d "p"); } { options.a = opt (d "q"); } { a = { }; } ]).a;
  in ev [ m ];

  # Modules that change what others say.
  disabledKey = (ev [ { options.a = opt (types.listOf types.int); } { key = "k"; imports = [ { key = "l"; a = [ 1 ]; } ]; a = [ 2 ]; } { disabledModules = [ { key = "k"; } ]; a = [ 3 ]; } ]).a;
  disabledImport = (ev [ { options.a = opt (types.listOf types.int); } { imports = [ { key = "l"; a = [ 1 ]; } ]; a = [ 2 ]; } { disabledModules = [ { key = "l"; } ]; } ]).a;
  disabledWrong = [ (fails [ { disabledModules = [ { } ]; } ]) (fails [ { disabledModules = [ 1 ]; } ]) ];
  argsUse = (ev [ ({ x, ... }: { options.a = mkOption { default = x; }; }) { _module.args.x = mkDefault 1; } { _module.args.x = 2; } ]).a;
  argsLazy = (ev [ ({ x, ... }: { options.a = mkOption { default = 3; }; }) { _module.args.x = throw "unused"; } ]).a;
  checkOff = ev [ { _module.check = false; } { options.a = mkOption { default = 1; }; } { b = 2; } ];
  checkOn = fails [ { options.a = mkOption { default = 1; }; } { b = 2; } ];
  special = (evalModules { specialArgs = { p = 1; q = { r = 2; }; }; modules = [ ({ p, ... }: { imports = optional (p == 1) ({ q, ... }: { options.a = mkOption { default = q.r; }; }); }) ]; }).config.a;
  class = [ (evalModules { class = "c"; modules = [ { _class = "c"; } ]; }).class (evalModules { modules = [ { _class = "c"; } ]; }).class (builtins.tryEval (builtins.deepSeq (evalModules { class = "c"; modules = [ { _class = "d"; } ]; }).config 1)).success ];
  freeformDeep = ev [ { freeformType = types.attrsOf (types.either types.int (types.attrsOf types.str)); options.x.y = mkOption { default = 1; }; } { z = 3; w.v = "s"; } ];
  freeformWrong = fails [ { freeformType = types.attrsOf types.int; } { z = "s"; } ];

  renamed = let c = evalModules { modules = [ (mkRenamedOptionModule [ "o" "old" ] [ "new" ]) { options.new = opt types.int; options.warnings = mkOption { type = types.listOf types.str; default = [ ]; }; config.o.old = 4; } ]; }; in [ c.config.new (builtins.length c.config.warnings) c.options.o.old.visible ];
  renamedWith = let c = since: ev [ (mkRenamedOptionModuleWith { from = [ "old" ]; to = [ "new" ]; sinceRelease = since; }) { options.new = opt types.int; options.warnings = mkOption { type = types.listOf types.str; default = [ ]; }; config.old = 4; } ]; in map (s: let x = c s; in [ x.new (builtins.length x.warnings) ]) [ 2305 9999 ];
  removed = let c = set: evalModules { modules = [ (mkRemovedOptionModule [ "gone" ] "Use new.") { options.assertions = mkOption { type = types.listOf types.unspecified; default = [ ]; }; } set ]; }; in [ (map (a: a.assertion) (c { }).config.assertions) (map (a: a.assertion) (c { gone = 1; }).config.assertions) (builtins.tryEval (c { gone = 1; }).config.gone).success ];
  changed = let c = set: ev [ (mkChangedOptionModule [ "old" ] [ "new" ] (config: if config.old then "yes" else "no")) { options.new = mkOption { type = types.str; default = "d"; }; options.warnings = mkOption { type = types.listOf types.str; default = [ ]; }; } set ]; in map (s: let x = c s; in [ x.new (builtins.length x.warnings) ]) [ { } { old = true; } { old = false; } ];
  merged = let c = set: ev [ (mkMergedOptionModule [ [ "a" ] [ "b" ] ] [ "new" ] (config: "${config.a}-${config.b}")) { options.new = mkOption { type = types.str; default = "d"; }; options.warnings = mkOption { type = types.listOf types.str; default = [ ]; }; } set ]; in map (s: let x = c s; in [ x.new (builtins.length x.warnings) ]) [ { } { a = "x"; } ];
  aliased = let c = evalModules { modules = [ (mkAliasOptionModule [ "al" ] [ "new" ]) { options.new = opt types.int; } { al = mkForce 4; new = 3; } ]; }; in [ c.config.new c.config.al c.options.new.highestPrio c.options.al.isDefined ];
  aliasPriority = (ev [ (mkAliasOptionModule [ "al" ] [ "new" ]) { options.new = mkOption { type = types.int; default = 1; }; } { al = mkDefault 4; } ]).new;

  docs = map (o: builtins.removeAttrs o [ "declarations" ]) (filter (o: !(elem "_module" o.loc)) (optionAttrSetToDocList (evalModules { modules = [ {
    options = {
      plain = mkOption { type = types.int; default = 1; description = "D."; example = 2; };
      text = mkOption { type = types.str; defaultText = literalExpression "x"; default = "y"; };
      hidden = mkOption { visible = false; default = 1; };
      internal = mkOption { internal = true; default = [ ]; type = types.listOf types.str; };
      shallow = mkOption { visible = "shallow"; type = types.submodule { options.i = mkOption { default = 1; }; }; default = { }; };
      ro = mkOption { readOnly = true; default = { a = 1; }; type = types.attrs; };
      sub = mkOption { default = { }; type = types.attrsOf (types.submodule { options.x = mkOption { type = types.port; default = 80; description = "X"; }; }); };
      list = mkOption { default = [ ]; type = types.listOf (types.submodule { options.y = opt types.bool; }); };
      none = opt types.path;
      md = mkOption { default = null; type = types.nullOr types.int; example = literalMD "*e*"; };
    };
  } ]; }).options));
}
