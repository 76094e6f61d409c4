# Attribute sets.
{ lib, ... }:
let
  inherit (builtins) attrNames attrValues elemAt foldl' head isAttrs length listToAttrs mapAttrs tail;
in
rec {
  inherit (builtins) attrNames attrValues isAttrs listToAttrs mapAttrs hasAttr getAttr
    removeAttrs intersectAttrs catAttrs zipAttrsWith;

  nameValuePair = name: value: { inherit name value; };
  attrsToList = set: map (name: { inherit name; value = set.${name}; }) (attrNames set);

  # Paths of names.
  attrByPath = path: default: set:
    let
      n = length path;
      go = i: here:
        if i == n then here
        else if isAttrs here && here ? ${elemAt path i} then go (i + 1) here.${elemAt path i}
        else default;
    in go 0 set;
  hasAttrByPath = path: set:
    let
      n = length path;
      go = i: here:
        i == n || (isAttrs here && here ? ${elemAt path i} && go (i + 1) here.${elemAt path i});
    in go 0 set;
  getAttrFromPath = path: set:
    attrByPath path (throw "cannot find attribute '${lib.concatStringsSep "." path}'") set;
  attrVals = names: set: map (name: set.${name}) names;
  setAttrByPath = path: value:
    let
      n = length path;
      go = i: if i == n then value else { ${elemAt path i} = go (i + 1); };
    in go 0;
  longestValidPathPrefix = path: set:
    let
      n = length path;
      go = i: here:
        if i == n then n
        else if isAttrs here && here ? ${elemAt path i} then go (i + 1) here.${elemAt path i}
        else i;
    in lib.take (go 0 set) path;

  # updates is a list of { path; update = old: new; }; the longer paths first.
  updateManyAttrsByPath = updates: value:
    let
      sorted = lib.sort (a: b: length a.path > length b.path) updates;
      one = here: u: go true here u.path u.update;
      go = exists: here: path: update:
        if path == [ ] then
          update (if exists then here else throw "updateManyAttrsByPath: the attribute does not exist, but its update needs it")
        else
          let
            name = head path;
            set = if exists && isAttrs here then here else { };
          in set // { ${name} = go (set ? ${name}) (set.${name} or null) (tail path) update; };
    in lib.foldl one value sorted;

  # Selecting.
  getAttrs = names: set: lib.genAttrs names (name: set.${name});
  filterAttrs = keep: set:
    builtins.removeAttrs set (builtins.filter (name: !keep name set.${name}) (attrNames set));
  filterAttrsRecursive = keep: set:
    listToAttrs (builtins.concatMap
      (name:
        let v = set.${name};
        in if keep name v
        then [{ inherit name; value = if isAttrs v then filterAttrsRecursive keep v else v; }]
        else [ ])
      (attrNames set));
  optionalAttrs = cond: set: if cond then set else { };
  collect = wanted: set:
    if wanted set then [ set ]
    else if isAttrs set then builtins.concatMap (collect wanted) (attrValues set)
    else [ ];
  cartesianProduct = sets:
    foldl'
      (rows: name: builtins.concatMap (row: map (v: row // { ${name} = v; }) sets.${name}) rows)
      [ { } ]
      (attrNames sets);
  mapCartesianProduct = f: sets: map f (cartesianProduct sets);

  # Making and mapping.
  genAttrs = names: f: genAttrs' names (name: { inherit name; value = f name; });
  genAttrs' = names: f: listToAttrs (map f names);
  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  concatMapAttrs = f: set: mergeAttrsList (mapAttrsToList f set);
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond = cond: f: set:
    let
      go = path: mapAttrs (name: v:
        if isAttrs v && cond v then go (path ++ [ name ]) v else f (path ++ [ name ]) v);
    in go [ ] set;
  mapAttrsToListRecursive = mapAttrsToListRecursiveCond (_: _: true);
  mapAttrsToListRecursiveCond = cond: f: set:
    let
      go = path: v:
        if isAttrs v && cond path v
        then builtins.concatMap (name: go (path ++ [ name ]) v.${name}) (attrNames v)
        else [ (f path v) ];
    in go [ ] set;
  foldlAttrs = f: init: set: foldl' (acc: name: f acc name set.${name}) init (attrNames set);
  foldAttrs = f: init: sets:
    lib.foldr
      (set: acc: foldl' (a: name: a // { ${name} = f set.${name} (a.${name} or init); }) acc (attrNames set))
      { }
      sets;
  invertAttrs = set: mapAttrs' (name: v: { name = toString v; value = name; }) set;

  # Combining.
  mergeAttrsList = sets:
    let
      # halves, so that each attribute is copied log n times
      go = from: n:
        if n == 0 then { }
        else if n == 1 then elemAt sets from
        else let half = n / 2; in go from half // go (from + half) (n - half);
    in go 0 (length sets);
  recursiveUpdateUntil = stop: a: b:
    let
      go = path: builtins.zipAttrsWith (name: values:
        let here = path ++ [ name ]; in
        if length values == 1 || stop here (elemAt values 1) (head values)
        then head values
        else go here values);
    in go [ ] [ b a ];
  recursiveUpdate = a: b: recursiveUpdateUntil (_: x: y: !(isAttrs x && isAttrs y)) a b;
  zipAttrsWithNames = names: f: sets:
    listToAttrs (map (name: { inherit name; value = f name (builtins.catAttrs name sets); }) names);
  zipAttrs = builtins.zipAttrsWith (_: values: values);
  unionOfDisjoint = a: b:
    let both = attrNames (builtins.intersectAttrs a b);
    in if both == [ ] then a // b
    else throw "unionOfDisjoint: both sets have ${lib.concatStringsSep ", " both}";
  overrideExisting = old: new: mapAttrs (name: v: new.${name} or v) old;
  matchAttrs = pattern: set:
    isAttrs pattern
    && builtins.all
      (name:
        let p = pattern.${name};
        in set ? ${name} && (if isAttrs p then isAttrs set.${name} && matchAttrs p set.${name} else p == set.${name}))
      (attrNames pattern);

  # Sets with a meaning.
  isDerivation = v: v.type or null == "derivation";
  toDerivation = path: {
    type = "derivation";
    name = builtins.baseNameOf path;
    outPath = toString path;
    outputs = [ "out" ];
  };
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
  optionalDrvAttr = cond: v: if cond then v else null;
  getOutput = name: pkg:
    if !(pkg.outputSpecified or false) then pkg.${name} or pkg.out or pkg else pkg;
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = getOutput "dev";
  getMan = getOutput "man";
  getInclude = getOutput "include";
  getStatic = getOutput "static";
  chooseDevOutputs = map getDev;
  getFirstOutput = names: pkg:
    let found = lib.findFirst (name: pkg ? ${name}) null names;
    in if found == null then pkg else getOutput found pkg;

  showAttrPath = path:
    if path == [ ] then "<root attribute path>"
    else lib.concatMapStringsSep "." lib.strings.escapeNixIdentifier path;
}
