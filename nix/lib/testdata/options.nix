lib: with lib; {
  mkOption = mkOption { default = 1; };
  enable = builtins.removeAttrs (mkEnableOption "the thing") [ "type" ];
  properties = [ (mkIf true 1) (mkMerge [ 1 2 ]) (mkForce 1) (mkDefault 1) (mkBefore 1) (mkAfter 1) (mkOrder 7 1) (mkOverride 3 1) (mkVMOverride 1) (mkOptionDefault 1) ];
  literal = literalExpression "pkgs.x";
  package = builtins.removeAttrs (mkPackageOption { hello = { name = "h"; }; } "hello" { example = "pkgs.bye"; }) [ "type" ];
  packageText = (mkPackageOption { a.b = 1; } "bee" { default = [ "a" "b" ]; }).defaultText;
  packageNull = builtins.removeAttrs (mkPackageOption { } "bee" { nullable = true; default = null; }) [ "type" ];
  showOption = [ (showOption [ "a" "b" ]) (showOption [ "a" "b.c" "*" "<name>" ]) ];
  isType = [ (isOption (mkOption { })) (isOption { }) (isOptionType types.str) (isType "if" (mkIf true 1)) ];
  discharge = modules.dischargeProperties (mkMerge [ (mkIf true 1) (mkIf false 2) 3 ]);
  pushDown = modules.pushDownProperties (mkIf false { a = 1; });
  mergeEqual = mergeEqualOption [ "x" ] [ { file = "a"; value = 1; } { file = "b"; value = 1; } ];
  mergeDefault = [
    (mergeDefaultOption [ ] [ { file = "a"; value = [ 1 ]; } { file = "b"; value = [ 2 ]; } ])
    (mergeDefaultOption [ ] [ { file = "a"; value = { a = 1; }; } { file = "b"; value = { b = 1; }; } ])
    (mergeDefaultOption [ ] [ { file = "a"; value = true; } { file = "b"; value = false; } ])
  ];
  mergeFails = map (x: (builtins.tryEval (builtins.deepSeq x x)).success) [
    (mergeEqualOption [ "x" ] [ { file = "a"; value = 1; } { file = "b"; value = 2; } ])
    (mergeOneOption [ "x" ] [ { file = "a"; value = 1; } { file = "b"; value = 1; } ])
  ];
  callPackage = (callPackageWith { a = 1; b = 2; } ({ a, c ? 5 }: { r = a + c; }) { c = 10; }).r;
  override = ((makeOverridable ({ a, b ? 1 }: { r = a + b; }) { a = 1; }).override { b = 10; }).r;
  getExe = [ (getExe { type = "derivation"; outPath = "/p"; meta.mainProgram = "x"; }) (getExe' { type = "derivation"; outPath = "/p"; } "y") (builtins.tryEval (getExe' "/p" "y")).success ];
  scope = (makeScope (extra: f: a: f (extra // a)) (self: { x = 1; y = self.x + 1; })).y;
  literalCode = options.literalCode "python" "print(1)";
  literalMD = literalMD "*x*";
  mapValue = map (modules.mapDefinitionValue (x: x * 2)) [ 1 (mkIf true 1) (mkMerge [ 1 (mkForce 2) ]) (mkOrder 5 3) (mkDefinition { file = "f"; value = 4; }) ];
  filterPrio = map modules.filterOverrides' [ [ { value = 1; } { value = mkForce 2; } ] [ { value = mkDefault 1; } ] [ ] [ { value = 1; } { value = 2; } ] ];
  unify = [ (unifyModuleSyntax "f" "k" { a = 1; imports = [ 1 ]; freeformType = 2; meta = 3; }) (unifyModuleSyntax "f" "k" { config.a = 1; options.b = 2; _file = "g"; key = "l"; meta = 4; freeformType = 5; }) (builtins.tryEval (builtins.deepSeq (unifyModuleSyntax "f" "k" { config = { }; a = 1; }) 1)).success (unifyModuleSyntax "f" "k" { require = [ 1 ]; }) ];
  moduleArgs = [ (applyModuleArgsIfFunction "k" ({ a, b, ... }: a + b) { a = 1; config._module.args.b = 2; }) (applyModuleArgsIfFunction "k" 5 { config = { }; }) ];
  evalOption = let o = evalOptionValue [ "a" "b" ] (mkOption { type = types.listOf types.int; default = [ 9 ]; } // { declarations = [ "d" ]; }) [ { file = "f"; value = [ 1 ]; } { file = "g"; value = mkBefore [ 2 ]; } ]; in [ o.value o.isDefined o.definitions o.highestPrio ];
  mergeDecls = let o = mergeOptionDecls [ "a" ] [ { _file = "x"; pos = null; options = mkOption { type = types.int; }; } { _file = "y"; pos = null; options = mkOption { description = "d"; type = types.int; }; } ]; in [ o.loc o.declarations o.description o.type.name ];
  fixup = [ (fixupOptionType [ ] (mkOption { type = types.int; })).type.name (fixupOptionType [ ] (mkOption { })).type.name ];
  attrPrios = modules.mergeAttrDefinitionsWithPrio { loc = [ "o" ]; type = types.attrsOf types.int; definitionsWithLocations = [ { file = "a"; value = { x = 1; y = mkForce 2; }; } { file = "b"; value = mkMerge [ { y = 5; } (mkIf true { z = mkDefault 3; }) ]; } ]; };
  ifDefined = modules.mkAliasIfDef { isDefined = true; } 3;
}
