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
  getExe = [ (getExe { type = "derivation"; outPath = "/p"; meta.mainProgram = "x"; }) (getExe' { type = "derivation"; outPath = "/p"; } "y") ];
  scope = (makeScope (extra: f: a: f (extra // a)) (self: { x = 1; y = self.x + 1; })).y;
}
