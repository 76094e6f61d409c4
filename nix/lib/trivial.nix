# Functions about nothing in particular: combinators, booleans, warnings,
# fixed points.
{ lib, ... }:
rec {
  inherit (builtins)
    pathExists readFile readDir isBool isInt isFloat isAttrs isPath isString
    isList add sub lessThan seq deepSeq genericClosure bitAnd bitOr
    bitXor typeOf trace tryEval addErrorContext unsafeGetAttrPos
    fromJSON toJSON fromTOML toString hashString placeholder fetchurl
    fetchTarball div mul floor ceil getContext hasContext hashFile filterSource
    toXML unsafeDiscardOutputDependency unsafeDiscardStringContext;

  id = x: x;
  const = x: _: x;
  flip = f: a: b: f b a;
  pipe = builtins.foldl' (x: f: f x);
  mapNullable = f: x: if x == null then null else f x;
  defaultTo = fallback: x: if x == null then fallback else x;

  or = a: b: a || b;
  and = a: b: a && b;
  xor = a: b: a != b;
  bitNot = builtins.sub (-1);
  boolToString = b: if b then "true" else "false";
  boolToYesNo = b: if b then "yes" else "no";

  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  compare = a: b: if a < b then -1 else if a > b then 1 else 0;
  splitByAndCompare = belongs: yes: no: a: b:
    if belongs a then (if belongs b then yes a b else -1)
    else if belongs b then 1
    else no a b;

  mergeAttrs = a: b: a // b;
  concat = a: b: a ++ b;

  importJSON = path: builtins.fromJSON (builtins.readFile path);
  importTOML = path: builtins.fromTOML (builtins.readFile path);

  # Functions can carry their arguments' names as data, so that a wrapper looks
  # like what it wraps.
  setFunctionArgs = f: args: { __functor = _: f; __functionArgs = args; };
  functionArgs = f:
    if f ? __functor
    then f.__functionArgs or (functionArgs (f.__functor f))
    else builtins.functionArgs f;
  isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));
  mirrorFunctionArgs = f: g:
    let args = functionArgs f; in if args == { } then g else setFunctionArgs g args;
  toFunction = v: if isFunction v then v else _: v;

  # Messages. A warning goes to standard error and changes no value.
  warn = msg: builtins.trace "evaluation warning: ${msg}";
  info = msg: builtins.trace "INFO: ${msg}";
  warnIf = cond: msg: if cond then warn msg else id;
  warnIfNot = cond: warnIf (!cond);
  throwIfNot = cond: msg: if cond then id else throw msg;
  throwIf = cond: throwIfNot (!cond);
  showWarnings = warnings: value: lib.foldr warn value warnings;
  assertMsg = cond: msg: cond || throw msg;
  assertEachOneOf = name: values: allowed:
    assertMsg (builtins.all (v: builtins.elem v allowed) values)
      "each element in ${name} must be one of ${lib.generators.toPretty { } allowed}, but is: ${lib.generators.toPretty { } values}";
  checkAssertWarn = assertions: warnings: value:
    let failed = builtins.filter (a: !a.assertion) assertions; in
    if failed == [ ] then showWarnings warnings value
    else throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (a: "- ${a.message}") failed}";
  assertOneOf = name: value: allowed:
    assertMsg (builtins.elem value allowed)
      "${name} must be one of ${lib.generators.toPretty { } allowed}, but is: ${lib.generators.toPretty { } value}";
  checkListOfEnum = msg: allowed: given:
    let wrong = lib.subtractLists allowed given;
    in throwIfNot (wrong == [ ])
      "${msg}: ${lib.concatStringsSep ", " (map toString wrong)} unexpected; valid ones: ${lib.concatStringsSep ", " (map toString allowed)}";

  version = "26.05";
  release = version;
  trivial = { inherit release version; };
  nixpkgsVersion = version;
  versionSuffix = "";
  inNixShell = false;
  inPureEvalMode = !(builtins ? currentSystem);
  codeName = "Zokor";
  oldestSupportedRelease = 2511;
  oldestSupportedReleaseIsAtLeast = release: release <= oldestSupportedRelease;
  isInOldestRelease = oldestSupportedReleaseIsAtLeast;
  isInOldestSupportedRelease = oldestSupportedReleaseIsAtLeast;
  revisionWithDefault = default: default; # there is no repository behind this library

  # Fixed points.
  fix = f: let x = f x; in x;
  fix' = f: let x = f x // { __unfix__ = f; }; in x;
  converge = f: x: let next = f x; in if next == x then x else converge f next;
  extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
  composeExtensions = f: g: final: prev:
    let first = f final prev;
    in first // g final (prev // first);
  composeManyExtensions = lib.foldr composeExtensions (_: _: { });
  makeExtensible = makeExtensibleWithCustomName "extend";
  makeExtensibleWithCustomName = name: f:
    fix' (self: f self // { ${name} = overlay: makeExtensibleWithCustomName name (extends overlay f); });
  toExtension = v:
    if !isFunction v then _: _: v
    else final: prev: let once = v prev; in if isFunction once then v final prev else once;

  # Numbers as text.
  toHexString = n: builtins.concatStringsSep "" (map (d: hexDigits.${toString d}) (toBaseDigits 16 n));
  fromHexString = s: (builtins.fromTOML "v = 0x${lib.removePrefix "0x" s}").v;
  toBaseDigits = base: n:
    let go = n: (if n < base then [ ] else go (n / base)) ++ [ (mod n base) ];
    in go n;
  hexDigits = {
    "0" = "0"; "1" = "1"; "2" = "2"; "3" = "3"; "4" = "4"; "5" = "5"; "6" = "6"; "7" = "7";
    "8" = "8"; "9" = "9"; "10" = "A"; "11" = "B"; "12" = "C"; "13" = "D"; "14" = "E"; "15" = "F";
  };
}
