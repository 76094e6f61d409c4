lib: with lib; let
  ok = x: (builtins.tryEval (builtins.deepSeq x x)).success;
  drv = { type = "derivation"; name = "foo-1.2"; system = "x86_64-linux"; outPath = "/o/out"; drvPath = "/d"; outputName = "out"; outputs = [ "out" "dev" ]; meta = { m = 1; }; out = { type = "derivation"; outPath = "/o/out"; drvPath = "/d"; outputName = "out"; }; dev = { type = "derivation"; outPath = "/o/dev"; drvPath = "/d"; outputName = "dev"; }; };
  overridable = { n = 1; overrideAttrs = f: overridable // f { meta.x = 1; }; };
  cross = { buildBuild = 1; buildHost = 2; buildTarget = 3; hostHost = 4; hostTarget = 5; targetTarget = 6; };
  norm = fetchers.normalizeHash;
in {
  names = [ (appendToName "s" { name = "foo-1.2"; }).name (appendToName "s" { name = "foo"; }).name (updateName toUpper { name = "a"; }).name (setName "b" { }).name ];
  prio = [ (lowPrio { }) (hiPrio { meta.a = 1; }) (setPrio 3 { }) meta.defaultPriority (dontDistribute { }) ];
  prioSet = [ (lowPrioSet { a = { type = "derivation"; }; b = 1; }) (hiPrioSet { a = { type = "derivation"; meta.x = 1; }; }) (mapDerivationAttrset (d: 5) { a = { type = "derivation"; }; b = { }; }) ];
  addMeta = [ (addMetaAttrs { a = 1; } { meta = { a = 0; b = 2; }; }) (builtins.removeAttrs (addMetaAttrs { a = 1; } overridable) [ "overrideAttrs" ]) ];
  platform = map (meta.platformMatch { system = "x86_64-linux"; parsed = { kernel.name = "linux"; cpu.bits = 64; }; isX = true; }) [
    "x86_64-linux" "aarch64-linux" { kernel.name = "linux"; } { kernel.name = "darwin"; } { parsed.cpu.bits = 64; } { parsed = { }; isX = true; } { parsed = { }; isX = false; }
  ];
  available = map (m: meta.availableOn { system = "x86_64-linux"; parsed = { kernel.name = "linux"; }; } m) [
    { } { meta = { }; } { meta.platforms = [ "x86_64-linux" ]; } { meta.platforms = [ "a" ]; } { meta.badPlatforms = [ { kernel.name = "linux"; } ]; } { meta = { platforms = [ "x86_64-linux" ]; badPlatforms = [ "a" ]; }; }
  ];
  spdx = [ (getLicenseFromSpdxId "MIT").spdxId (getLicenseFromSpdxId "mit").spdxId (getLicenseFromSpdxId "none") (getLicenseFromSpdxIdOr "x" 7) (getLicenseFromSpdxIdOr "apache-2.0" 7).spdxId licensesSpdx."MIT".spdxId ];
  cpe = meta.cpeFullVersionWithVendor "v" "1.2";
  cross = [ (mapCrossIndex (x: x * 2) cross) (renameCrossIndexTo "self" cross) (renameCrossIndexFrom "self" (renameCrossIndexTo "self" cross)) ];
  splicing = let s = makeScopeWithSplicing (x: x.pkgsHostTarget) callPackageWith { selfBuildBuild = { }; selfBuildHost = { }; selfBuildTarget = { }; selfHostHost = { }; selfTargetTarget = { }; } (self: { kept = 1; }) (s: { }) (self: { a = 1; b = self.a + 1; }); in
    [ s.b (s.overrideScope (f: p: { a = 5; })).b (s.callPackage ({ a, kept }: { r = a + kept; }) { }).r ];
  scope = let s = makeScope (e: f: a: f (e // a)) (self: { x = 1; y = self.x + 1; }); in [ (s.overrideScope (f: p: { x = p.x + 10; })).y (s.callPackage (x: x.y) { }) ((s.newScope { z = 3; }) (x: x.z + x.y) { }) (s.packages { x = 5; }).y ];
  extendMk = let
    base = extendMkDerivation { constructDrv = f: let final = f final; in final // { made = true; }; excludeDrvArgNames = [ "secret" ]; extendDrvArgs = final: { name, secret ? "s", ... }@args: { name = "x-${name}"; more = secret; }; };
  in [ (base { name = "a"; secret = "t"; }) (base (final: { name = "b"; long = final.name; })) (functionArgs base) (builtins.attrNames base) ];
  extendDrv = let e = extendDerivation true { p = 1; } drv; in [ e.p e.outPath e.dev.outPath e.dev.outputSpecified (map (o: o.outputName) e.all) (ok (extendDerivation false { } drv).outPath) (ok (extendDerivation false { } drv).name) ];
  lazy = let l = lazyDerivation { derivation = drv; outputs = [ "out" "dev" ]; passthru.t = 2; }; in [ l.type l.outPath l.meta l.t l.dev.outPath l.outputs (ok (lazyDerivation { derivation = drv; }).outPath) (lazyDerivation { derivation = throw "no"; meta.a = 1; }).meta (ok (lazyDerivation { derivation = { }; }).name) ];
  hydra = [ (hydraJob null) (builtins.removeAttrs (hydraJob drv) [ "out" "dev" ]) (hydraJob drv).dev.outputName ];
  instantiate = let w = warnOnInstantiate "w" drv; in [ w.name w.meta w.type w.outPath w.drvPath ];
  optionalDrv = [ (optionalDrvAttr true 1) (optionalDrvAttr false 1) ];
  overridable = let f = makeOverridable ({ a, b ? 2 }: { s = a + b; }); in [ (f { a = 1; }).s ((f { a = 1; }).override { a = 5; }).s ((f { a = 1; }).override (o: { b = o.a + 10; })).s (functionArgs (f { a = 1; }).override) (functionArgs f) ];
  overridableAttrs = let f = makeOverridable ({ a }: overridable // { inherit a; }); in [ ((f { a = 1; }).overrideAttrs (o: { n = 9; })).n ];
  callPackages = let p = callPackagesWith { a = 1; } ({ a, c ? 3 }: { x = { v = a; }; y = { v = c; }; }) { }; in [ p.x.v p.y.v (p.y.override { c = 8; }).v ];
  callPackage = map (f: (callPackageWith { a = 1; b = 2; } f { c = 10; }).r) [ ({ a, c ? 5 }: { r = a + c; }) ({ b, ... }: { r = b; }) ];
  normalize = [ (norm { } { hash = "h"; x = 1; }) (norm { } { sha256 = "s"; }) (norm { } { hash = ""; }) (norm { hashTypes = [ "sha512" ]; } { sha512 = ""; }) (norm { required = false; } { x = 1; }) (norm { } { outputHash = "o"; hash = "h"; }) (ok (norm { } { })) (ok (norm { } { hash = "a"; sha256 = "b"; })) ];
  withHash = let f = fetchers.withNormalizedHash { } ({ outputHash, outputHashAlgo, x ? 1 }: { inherit outputHash outputHashAlgo x; }); in [ (f { hash = "h"; }) (f { sha256 = "s"; x = 3; }) (functionArgs f) (ok (fetchers.withNormalizedHash { } ({ hash, outputHash, outputHashAlgo }: 1))) ];
  proxy = fetchers.proxyImpureEnvVars;
  kernel = with kernel; [ yes no module unset (option yes) (freeform "x") ((whenHelpers "5.4").whenAtLeast "5.0" 1) ((whenHelpers "5.4").whenOlder "5.4" 1) ((whenHelpers "5.4").whenBetween "5.0" "6.0" 1) ];
  sourceTypes = sourceTypes;
  devOutputs = chooseDevOutputs [ drv { outPath = "/x"; } ];
  licences = with lib.licenses; let all = AND [ mit (OR [ free unfree ]) (WITH asl20 llvm-exception) (PLUS eupl11) ]; in [
    (isFree all) (isFree (AND [ mit (OR [ unfree ]) ])) (isRedistributable all) (isRedistributable (OR [ unfree unfreeRedistributable ])) (toSPDX all) (toSPDX mit)
    (evaluateProperty (x: x.deprecated) true all) (evaluateProperty (x: x.free) false all) (evaluateNamedProperty "free" false (OR [ mit unfree ])) (containsLicenses [ mit ] all) (containsLicenses [ isc ] all)
    mit.shortName unfree.shortName (unfree ? spdxId) (getLicenseFromSpdxIdOr "mIt" null).shortName
  ];
}
