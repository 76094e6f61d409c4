# Files and folders.
{ lib, ... }:
let
  inherit (builtins) attrNames readDir;
in
rec {
  pathType = path: (readDir (dirOf path)).${baseNameOf path};
  pathIsDirectory = path: builtins.pathExists path && pathType path == "directory";
  pathIsRegularFile = path: builtins.pathExists path && pathType path == "regular";
  listFilesRecursive = dir:
    lib.concatMap
      (name:
        let path = dir + "/${name}";
        in if (readDir dir).${name} == "directory" then listFilesRecursive path else [ path ])
      (attrNames (readDir dir));
  packagesFromDirectoryRecursive = { callPackage, directory, ... }:
    let
      one = name: kind:
        let path = directory + "/${name}"; in
        if kind == "directory" then
          { inherit name; value = packagesFromDirectoryRecursive { inherit callPackage; directory = path; }; }
        else if lib.hasSuffix ".nix" name then { name = lib.removeSuffix ".nix" name; value = callPackage path { }; }
        else null;
    in
    if builtins.pathExists (directory + "/package.nix") then callPackage (directory + "/package.nix") { }
    else builtins.listToAttrs (builtins.filter (x: x != null) (lib.mapAttrsToList one (readDir directory)));

  # A source is a path; filters matter to builds only, which are not done here.
  cleanSource = src: src;
  cleanSourceFilter = _: _: true;
  cleanSourceWith = { src, ... }: src;
  sourceByRegex = src: _: src;
  sourceFilesBySuffices = src: _: src;
  canCleanSource = _: true;

  path = {
    append = root: sub: root + "/${sub}";
    hasPrefix = prefix: p: toString prefix == "/" || p == prefix || lib.strings.hasPrefix "${toString prefix}/" (toString p);
    removePrefix = prefix: p: path.subpath.normalise (lib.removePrefix "/" (lib.removePrefix (toString prefix) (toString p)));
    splitRoot = p: { root = /.; subpath = path.removePrefix /. p; };
    subpath = {
      isValid = s: builtins.isString s && s != "" && !(lib.strings.hasPrefix "/" s) && !(builtins.elem ".." (lib.splitString "/" s));
      join = parts: path.subpath.normalise (lib.concatStringsSep "/" parts);
      normalise = s:
        let parts = builtins.filter (p: p != "" && p != ".") (lib.splitString "/" s);
        in "./" + (if parts == [ ] then "." else lib.concatStringsSep "/" parts);
      components = s: builtins.filter (p: p != "" && p != ".") (lib.splitString "/" s);
    };
  };
  # Sets of files matter to builds only, as the filters above: the whole folder
  # stands for any part of it.
  fileset = {
    toSource = { root, fileset ? root }: root;
    fromSource = src: src;
    union = a: _: a;
    unions = sets: builtins.head sets;
    intersection = a: _: a;
    difference = a: _: a;
    maybeMissing = p: p;
    fileFilter = _: p: p;
    gitTracked = p: p;
  };
}
