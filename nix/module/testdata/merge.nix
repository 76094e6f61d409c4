lib: with lib;
let
  ev = modules: (evalModules { inherit modules; }).config;
  opt = type: mkOption { inherit type; };
  a = type: defs: (ev ([ { options.a = opt type; } ] ++ map (x: { config.a = x; }) defs)).a;
  fails = x: !(builtins.tryEval (builtins.deepSeq x x)).success;
in
{
  plain = ev [ { options.a = opt types.int; config.a = 1; } ];
  shorthand = ev [ { options.a = opt types.int; } { a = 2; } ];
  default = ev [ { options.a = mkOption { type = types.int; default = 3; }; } ];
  function = ev [ ({ lib, config, options, ... }: { options.a = lib.mkOption { default = 1; }; }) ({ config, ... }: { options.b = opt types.int; config.b = config.a + 1; }) ];
  order = a (types.listOf types.int) [ [ 1 ] [ 2 ] [ 3 ] ];
  imports = (ev [ { options.a = opt (types.listOf types.int); } { a = [ 1 ]; } { imports = [ { a = [ 3 ]; } ]; a = [ 2 ]; } ]).a;
  before = a (types.listOf types.int) [ [ 1 ] (mkAfter [ 2 ]) (mkBefore [ 3 ]) (mkOrder 1200 [ 4 ]) ];
  lines = a types.lines [ "x" (mkBefore "y") ];
  commas = a types.commas [ "x" "y" ];
  force = a types.int [ 1 (mkForce 2) (mkDefault 3) ];
  vm = a types.int [ (mkForce 2) (mkVMOverride 7) ];
  defaults = a types.int [ (mkDefault 3) (mkOptionDefault 4) ];
  forceList = a (types.listOf types.int) [ [ 1 ] (mkForce [ 2 ]) (mkForce [ 3 ]) ];
  ifs = a (types.listOf types.int) [ (mkIf true [ 1 ]) (mkIf false [ 2 ]) (mkIf true (mkIf false [ 3 ])) ];
  merge = a (types.listOf types.int) [ (mkMerge [ [ 1 ] (mkIf false [ 2 ]) (mkMerge [ [ 3 ] ]) ]) ];
  forceIf = a types.int [ 1 (mkIf true (mkForce 2)) ];
  ifOnDefault = (ev [ { options.a = mkOption { type = types.int; default = 1; }; } { a = mkIf false 2; } ]).a;
  pushDown = ev [ { options = { a = opt types.int; b = opt types.int; }; } { config = mkIf true { a = 1; }; } { config = mkMerge [ { b = mkDefault 2; } (mkIf false { b = 3; }) ]; } ];
  selfReference = ev [ { options = { on = mkOption { type = types.bool; default = false; }; a = mkOption { type = types.int; default = 0; }; }; } ({ config, ... }: { config = mkIf config.on { a = 5; }; }) { on = true; } ];
  nested = ev [ { options.a.b.c = opt types.int; options.a.d = mkOption { default = 9; }; } { a.b.c = 1; } ];
  nestedIf = ev [ { options.a.b = mkOption { type = types.int; default = 0; }; } { a = mkIf true { b = 2; }; } ];

  attrsOf = a (types.attrsOf types.int) [ { x = 1; } { y = 2; x = mkForce 3; } { z = mkIf false 4; } ];
  attrsOfList = a (types.attrsOf (types.listOf types.int)) [ { x = [ 1 ]; } { x = [ 2 ]; } ];
  lazyAttrsOf = builtins.attrNames (a (types.lazyAttrsOf types.int) [ { x = 1; z = mkIf false 4; } ]);
  lazyNullOr = a (types.lazyAttrsOf (types.nullOr types.int)) [ { z = mkIf false 4; } ];
  attrs = a types.attrs [ { x = 1; y = 1; } { y = 1; } ];
  listIf = a (types.listOf types.int) [ [ 1 (mkIf false 2) (mkIf true 3) ] ];
  nullOr = [ (a (types.nullOr types.int) [ null null ]) (a (types.nullOr types.int) [ 1 ]) ];
  either = [ (a (types.either types.int types.str) [ "x" ]) (a (types.either types.int types.str) [ 1 1 ]) ];
  oneOf = map (x: a (types.oneOf [ types.int types.bool (types.listOf types.str) ]) [ x ]) [ 1 true [ "s" ] ];
  enum = a (types.enum [ "a" 1 null ]) [ 1 ];
  bool = a types.bool [ true true ];
  strEqual = a types.str [ "same" "same" ];
  coerced = a (types.coercedTo types.int toString types.str) [ 5 ];
  coercedList = a (types.coercedTo types.str (s: [ s ]) (types.listOf types.str)) [ "a" [ "b" ] ];
  float = [ (a types.float [ 1.5 ]) (a types.number [ 2 ]) ];
  functionTo = (a (types.functionTo (types.listOf types.int)) [ (x: [ x ]) (x: [ (x + 1) ]) ]) 10;
  anything = a types.anything [ { x = 1; l = [ 1 ]; } { y.z = mkForce 2; } { y.z = 3; } ];
  unspecified = a types.unspecified [ [ 1 ] [ 2 ] ];
  raw = a types.raw [ { x = 1; } ];
  uniq = a (types.uniq (types.listOf types.int)) [ [ 1 ] ];
  ints = [ (a types.ints.u8 [ 255 ]) (a types.port [ 80 ]) (a types.ints.positive [ 1 ]) (a (types.ints.between 1 3) [ 2 ]) (a types.ints.unsigned [ 0 ]) ];
  strings = [ (a types.nonEmptyStr [ "x" ]) (a (types.strMatching "[a-z]+") [ "abc" ]) (a types.singleLineStr [ "x" ]) (a (types.separatedString "+") [ "1" "2" ]) ];
  emptyAttrs = (ev [ { options.a = mkOption { type = types.attrsOf types.int; default = { }; }; } ]).a;
  defaultMerges = (ev [ { options.a = mkOption { type = types.listOf types.int; default = [ 1 ]; }; } { a = [ 2 ]; } ]).a;
  apply = (ev [ { options.a = mkOption { type = types.int; apply = x: x * 2; }; } { a = 4; } ]).a;
  badTypes = map fails [
    (a types.int [ "x" ]) (a types.int [ 1 2 ]) (a types.port [ 70000 ]) (a types.str [ 1 ]) (a (types.listOf types.int) [ [ "x" ] ])
    (a (types.attrsOf types.int) [ { x = "1"; } ]) (a (types.enum [ "a" ]) [ "b" ]) (a (types.nullOr types.int) [ null 1 ])
    (a (types.either types.int types.bool) [ "x" ]) (a types.bool [ 1 ]) (a (types.strMatching "a") [ "b" ]) (a types.raw [ 1 1 ])
    (a types.nonEmptyStr [ " " ]) (a types.ints.positive [ 0 ]) (a (types.uniq types.int) [ 1 1 ]) (a (types.addCheck types.int (x: x > 3)) [ 1 ])
    (a types.singleLineStr [ "a\nb" ]) (a (types.nonEmptyListOf types.int) [ [ ] ]) (a types.path [ "rel" ]) (a types.float [ 1 ])
  ];
  unknown = fails (ev [ { options.a = opt types.int; } { a = 1; b = 2; } ]);
  unknownOff = (ev [ { options.a = opt types.int; config._module.check = false; } { a = 1; b = 2; } ]).a;
  unset = fails (ev [ { options.a = opt types.int; } ]).a;
  readOnly = fails (ev [ { options.a = mkOption { readOnly = true; default = 1; }; } { a = 1; } { a = 2; } ]).a;
  unknownIf = map fails [
    (ev [ { options.a = opt types.int; } { config = mkIf false { b = 2; }; } { a = 1; } ])
    (ev [ { options.a = opt types.int; } { b = mkIf false 2; a = 1; } ])
    (ev [ { options.a.b = opt types.int; } { a = mkIf false { c = 1; }; } { a.b = 1; } ])
  ];
  mkAssert = fails (a types.int [ (mkAssert false "no" 1) ]);
  overrideInMerge = a types.int [ (mkMerge [ (mkDefault 1) (mkIf true (mkForce 2)) ]) 3 ];
  orderInIf = a (types.listOf types.int) [ [ 1 ] (mkIf true (mkBefore [ 2 ])) (mkMerge [ (mkAfter [ 3 ]) [ 4 ] ]) ];
  attrsOfOrder = a (types.attrsOf types.lines) [ { x = "1"; } { x = mkAfter "2"; } { x = mkBefore "3"; } ];
  deepNested = ev [ { options.a.b.c.d = opt types.int; } { a.b = mkIf true { c.d = 1; }; } ];
  optionDefaultPrio = a types.int [ (mkOverride 1400 1) (mkOptionDefault 2) ];
  lazyDefault = (ev [ { options.a = mkOption { type = types.int; default = throw "no"; }; } { a = 1; } ]).a;
  enumDescription = [ (types.enum [ ]).description (types.enum [ 1 ]).description (types.enum [ "a" "b" ]).description ];
  coercedBoth = a (types.coercedTo types.int (x: { n = x; }) (types.attrsOf types.int)) [ 1 { m = 2; } ];
  nullOrSub = a (types.nullOr (types.submodule { options.x = mkOption { default = 1; }; })) [ { } ];
  eitherSub = a (types.either types.str (types.submodule { options.x = mkOption { default = 1; }; })) [ { x = 4; } ];
  listOfAttrs = a (types.listOf (types.attrsOf types.int)) [ [ { x = 1; } ] [ { y = mkIf false 2; } ] ];
  functionSub = (a (types.functionTo (types.submodule { options.x = mkOption { type = types.int; }; })) [ (n: { x = n; }) ]) 3;
}
