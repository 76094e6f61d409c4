# Functions of old definitions, whose use nobody recommends.
{ lib, ... }:
let
  inherit (builtins) attrNames elem filter foldl' head isAttrs isList listToAttrs tail;
in
rec {
  inherit (lib) fakeHash fakeSha256 fakeSha512;

  imap = lib.imap1;
  maybeEnv = name: default: let v = builtins.getEnv name; in if v == "" then default else v;
  maybeAttr = name: default: set: set.${name} or default;
  maybeAttrNullable = maybeAttr;
  nvs = name: value: { ${name} = value; };
  setAttr = set: name: value: set // { ${name} = value; };
  setAttrMerge = name: default: set: f: set // { ${name} = f (set.${name} or default); };
  ifEnable = cond: v:
    if cond then v
    else if isList v then [ ]
    else if isAttrs v then { }
    else if builtins.isBool v then false
    else null;
  nixType = v:
    { set = if v ? outPath then "derivation" else "attrs"; lambda = "function"; list = "list"; bool = "bool"; null = "null"; int = "int"; }
    .${builtins.typeOf v} or "string";

  # Flags: a set, and a list of pairs [ name value ].
  checkFlag = set: name:
    if name == "true" then true
    else if name == "false" then false
    else if elem name (set.flags or [ ]) then true
    else set.${name} or false;
  getValue = set: pairs: name:
    let found = filter (p: head p == name) pairs; in
    set.${name} or (if checkFlag set name then true else if found == [ ] then null else head (tail (head found)));
  # Each condition is a flag and what must be set beside it.
  checkReqs = set: pairs: builtins.all (cond:
    checkFlag set (head cond) -> builtins.all (name: ! elem (getValue set pairs name) [ null false ]) (tail cond));
  condConcat = text: pairs: wanted:
    if pairs == [ ] then text
    else condConcat (text + (if wanted (head pairs) then head (tail pairs) else "")) (tail (tail pairs)) wanted;

  # Lists without repetitions.
  uniqList = { inputList, acc ? [ ] }:
    (foldl' (s: x: if elem x s.seen then s else { seen = s.seen ++ [ x ]; new = s.new ++ [ x ]; })
      { seen = acc; new = [ ]; } inputList).new;
  uniqListExt = { inputList, outputList ? [ ], getter ? (x: x), compare ? (x: y: x == y) }:
    foldl' (out: x: if builtins.any (y: compare (getter y) (getter x)) out then out else out ++ [ x ]) outputList inputList;
  lazyGenericClosure = { startSet, operator }:
    let
      go = todo: keys: done:
        let x = head todo; in
        if todo == [ ] then done
        else if elem x.key keys then go (tail todo) keys done
        else go (tail todo ++ operator x) (keys ++ [ x.key ]) ([ x ] ++ done);
    in
    go startSet [ ] [ ];
  closePropagation = packages:
    let entries = ps: map (p: { key = p.outPath; inherit p; }) (filter (p: p != null) ps); in
    map (e: e.p) (builtins.genericClosure {
      startSet = entries packages;
      operator = e: lib.optionals (isAttrs e.p) (entries (propagated e.p));
    });
  closePropagationFast = closePropagation;
  closePropagationSlow = closePropagation;
  innerClosePropagation = done: todo:
    let p = head todo; found = [ p ] ++ done; in
    if todo == [ ] then done
    else if !isAttrs p then innerClosePropagation done (tail todo)
    else innerClosePropagation found (uniqList { inputList = propagated p ++ tail todo; acc = found; });
  propagated = p: p.propagatedBuildInputs or [ ] ++ p.propagatedNativeBuildInputs or [ ];

  # Functions whose arguments come in several calls.
  defaultMergeArg = old: new: if isAttrs new then new else new old;
  defaultMerge = old: new: old // defaultMergeArg old new;
  modifySumArgs = f: more: innerModifySumArgs f more { };
  innerModifySumArgs = f: more: a: b: if b == null then f a b // more else innerModifySumArgs f more (a // b);
  foldArgs = merger: f: init: new:
    let
      args = merger init (defaultMergeArg init new);
      again = foldArgs merger f args;
      made = setAttrMerge "passthru" { } (f args)
        (passthru: passthru // { function = again; args = passthru.passthru.args or { } // new; });
    in
    made // { override = again; };

  # Sets that are merged by rules for each name.
  mergeAttrsWithFunc = f: a: b: a // builtins.mapAttrs (name: v: f (a.${name} or v) v) b; # also where only b has it
  mergeAttrsConcatenateValues = mergeAttrsWithFunc (a: b: lib.toList a ++ lib.toList b);
  mergeAttrsNoOverride = { mergeLists ? [ "buildInputs" "propagatedBuildInputs" ], overrideSnd ? [ "buildPhase" ] }: a: b:
    a // builtins.mapAttrs
      (name: v:
        if elem name mergeLists && a ? ${name} then v ++ a.${name}
        else if elem name overrideSnd && a ? ${name} then a.${name}
        else if a ? ${name} then throw "mergeAttrsNoOverride: both sets have ${name}, and there is no rule for it"
        else v)
      b;
  mergeAttrBy =
    let all = f: names: listToAttrs (map (name: { inherit name; value = f; }) names); in
    all lib.concat [ "nativeBuildInputs" "buildInputs" "propagatedBuildInputs" "configureFlags" "prePhases" "postAll" "patches" ]
    // all lib.mergeAttrs [ "passthru" "meta" "cfg" "flags" ]
    // all (a: b: "${a}\n${b}") [ "preConfigure" "postInstall" ];
  mergeAttrByFunc = a: b:
    let
      rules = { mergeAttrBy = lib.mergeAttrs; } // a.mergeAttrBy or { } // b.mergeAttrBy or { };
      both = filter (name: a ? ${name} && b ? ${name}) (attrNames rules);
    in
    a // b // listToAttrs (map (name: { inherit name; value = rules.${name} a.${name} b.${name}; }) both);
  mergeAttrsByFuncDefaults = foldl' mergeAttrByFunc { inherit mergeAttrBy; };
  mergeAttrsByFuncDefaultsClean = sets: builtins.removeAttrs (mergeAttrsByFuncDefaults sets) [ "mergeAttrBy" ];
}
