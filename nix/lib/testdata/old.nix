lib: with lib; let
  d = name: deps: { inherit name; outPath = "/p/${name}"; propagatedBuildInputs = deps; };
  a = d "a" [ ]; b = d "b" [ a null ]; c = d "c" [ b a ];
  ok = x: (builtins.tryEval (builtins.deepSeq x x)).success;
in {
  maybe = [ (maybeEnv "NO_SUCH_VARIABLE" "d") (maybeAttr "a" 1 { a = 2; }) (maybeAttr "b" 1 { a = 2; }) (maybeAttrNullable "b" null { }) ];
  set = [ (nvs "a" 1) (setAttr { a = 1; b = 2; } "a" 3) (setAttrMerge "n" [ ] { n = [ 1 ]; } (x: x ++ [ 2 ])) (setAttrMerge "n" [ ] { } (x: x ++ [ 2 ])) ];
  ifEnable = [ (ifEnable true 1) (ifEnable false [ 1 ]) (ifEnable false { a = 1; }) (ifEnable false true) (ifEnable false 1) (ifEnable false "s") ];
  nixType = map nixType [ { } { outPath = 1; } (x: x) { __functor = s: x: x; } [ ] true false null 1 "s" 1.5 /a ];
  imap = imap (i: x: i * x) [ 4 5 ];
  checkFlag = map (checkFlag { flags = [ "f" ]; a = true; b = false; }) [ "f" "a" "b" "c" "true" "false" ];
  getValue = map (getValue { x = 1; flags = [ "f" ]; } [ [ "p" 2 ] [ "q" 3 ] [ "p" 4 ] ]) [ "x" "f" "p" "q" "none" ];
  checkReqs = [
    (checkReqs { flags = [ "f" ]; } [ [ "p" 2 ] ] [ [ "f" "p" ] ]) (checkReqs { flags = [ "f" ]; } [ ] [ [ "f" "p" ] ])
    (checkReqs { } [ ] [ [ "f" "p" ] ]) (checkReqs { flags = [ "f" ]; p = false; } [ ] [ [ "g" "p" ] [ "f" "p" ] ])
  ];
  condConcat = condConcat "n" [ "a" "-a" "b" "-b" ] (x: x == "b");
  uniq = [ (uniqList { inputList = [ 1 2 1 3 2 ]; }) (uniqList { inputList = [ 1 2 1 3 ]; acc = [ 3 ]; }) (uniqListExt { inputList = [ 1 12 2 11 3 ]; getter = x: mod x 10; }) (uniqListExt { inputList = [ 1 2 ]; outputList = [ 2 ]; compare = x: y: x == y; }) ];
  closure = [
    (map (x: x.key) (lazyGenericClosure { startSet = [ { key = 1; } { key = 2; } ]; operator = x: if x.key > 5 then [ ] else [ { key = x.key * 2; } { key = x.key + 3; } ]; }))
    (map (x: x.name) (closePropagation [ c ])) (map (x: x.name) (innerClosePropagation [ ] [ b c ])) (map (x: x.name) (closePropagation [ null b a ]))
  ];
  args = [
    (defaultMergeArg { a = 1; } { b = 2; }) (defaultMergeArg { a = 1; } (x: x)) (defaultMerge { a = 1; } (x: { b = x.a; }))
    (modifySumArgs (a: b: { inherit a b; }) { extra = 1; } { x = 1; } { y = 2; } null)
  ];
  folded = let f = foldArgs (a: b: a // b) (x: { r = x.a or 0; }) { a = 1; }; g = f { a = 2; b = 1; }; in [ g.r (g.override { a = 7; }).r g.passthru.args ];
  foldedAgain = let f = foldArgs (a: b: a // b) (x: { r = x.a or 0; passthru.k = 1; }) { a = 1; }; in [ ((f { c = 1; }).override (old: { a = old.a + 5; })).r (f { }).passthru.k ];
  mergeFunc = [
    (mergeAttrsWithFunc (a: b: [ a b ]) { a = 1; b = 2; } { b = 3; c = 4; }) (mergeAttrsConcatenateValues { a = 1; } { a = [ 2 ]; b = 3; })
    (mergeAttrsNoOverride { } { buildInputs = [ 1 ]; buildPhase = "a"; x = 1; } { buildInputs = [ 2 ]; buildPhase = "b"; y = 2; })
    (ok (mergeAttrsNoOverride { } { x = 1; } { x = 2; }))
  ];
  mergeBy = [
    (mergeAttrsByFuncDefaultsClean [ { buildInputs = [ 1 ]; meta.a = 1; x = 1; } { buildInputs = [ 2 ]; meta.b = 2; x = 2; preConfigure = "p"; } { preConfigure = "q"; } ])
    (builtins.removeAttrs (mergeAttrByFunc { mergeAttrBy.n = x: y: x + y; n = 1; } { n = 2; }) [ "mergeAttrBy" ])
    (builtins.attrNames mergeAttrBy)
  ];
  fake = [ fakeHash fakeSha256 fakeSha512 ];
}
