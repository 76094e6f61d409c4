# Files and folders.
{ lib, ... }:
let
  inherit (builtins) attrNames readDir isPath;

  isCleaned = src: builtins.isAttrs src && src ? _isLibCleanSourceWith;

  # Of file sets; paths are text here.
  make = base: has: { _type = "fileset"; inherit base has; };
  none = make null (_: _: false);
  below = dir: path: dir == "/" || path == dir || lib.strings.hasPrefix "${dir}/" path;
  common = a: b: if below a b then a else common (dirOf a) b;
  filesOf = x:
    if builtins.isAttrs x && x._type or null == "fileset" then x
    else if !isPath x then throw "lib.fileset: a set of files must be a path or a file set, not a ${builtins.typeOf x}${lib.optionalString (isCleaned x) ": use lib.fileset.fromSource"}"
    else if !builtins.pathExists x then throw "lib.fileset: ${toString x} does not exist; lib.fileset.maybeMissing permits that"
    else let text = toString x; in
      if text == "/" || (readDir (dirOf x)).${baseNameOf x} == "directory" then make text (path: _: below text path)
      else make (dirOf text) (path: _: path == text);
  # Whether a folder has a file of the set, at whatever depth.
  holds = set: dir:
    (below set.base dir || below dir set.base) &&
    (let types = readDir (/. + dir); in
    lib.any (name:
      let path = "${dir}/${name}"; in
      if types.${name} == "directory" then holds set path else set.has path types.${name}
    ) (attrNames types));
  listed = set: dir: let types = readDir (/. + dir); in lib.concatMap
    (name:
      let path = "${dir}/${name}"; in
      if types.${name} == "directory" then listed set path else lib.optional (set.has path types.${name}) path)
    (attrNames types);
  # Whether a filter takes a file, and each folder on the way to it.
  taken = filter: root: path: type:
    path == root || (filter path type && taken filter root (dirOf path) "directory");
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

  # A source stays where it is. What its filter leaves out is not copied.
  cleanSource = src: cleanSourceWith { filter = cleanSourceFilter; inherit src; };
  cleanSourceFilter = name: type:
    let base = baseNameOf (toString name); in
    !(base == ".git"
      || type == "directory" && builtins.elem base [ ".svn" "CVS" ".hg" ".jj" ".pijul" "_darcs" ]
      || lib.hasSuffix "~" base
      || builtins.match "\\.sw[a-z]|\\..*\\.sw[a-z]" base != null
      || lib.hasSuffix ".o" base || lib.hasSuffix ".so" base
      || type == "symlink" && lib.hasPrefix "result" base
      || type == "unknown");
  cleanSourceWith = { src, filter ? _: _: true, name ? null }:
    let
      below = isCleaned src;
      origSrc = if below then src.origSrc else src;
      both = path: type: filter path type && (!below || src.filter path type);
    in
    {
      _isLibCleanSourceWith = true;
      inherit origSrc;
      filter = both;
      name = if name != null then name else if below then src.name else "source";
      outPath = builtins.path { path = origSrc; filter = both; };
    };
  sourceByRegex = src: regexes:
    let root = toString (if isCleaned src then src.origSrc else src); in
    cleanSourceWith {
      inherit src;
      filter = path: _: let sub = lib.removePrefix "${root}/" (toString path); in lib.any (re: builtins.match re sub != null) regexes;
    };
  sourceFilesBySuffices = src: suffices: cleanSourceWith {
    inherit src;
    filter = path: type: type == "directory" || lib.any (s: lib.hasSuffix s (baseNameOf (toString path))) suffices;
  };
  canCleanSource = src: isCleaned src || !lib.isStorePath (toString src);

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
  # A set of files is a predicate over paths as text, and the deepest folder that holds
  # all of them. Folders belong to it by what is in them.
  fileset = rec {
    toSource = { root, fileset ? root }:
      let
        files = filesOf fileset;
        top = toString root;
      in
      if !isPath root then
        throw "lib.fileset.toSource: root must be a path, not a ${builtins.typeOf root}"
      else if !builtins.pathExists root || top != "/" && pathType root != "directory" then
        throw "lib.fileset.toSource: root (${top}) must be a folder"
      else if files.base != null && !below top files.base then
        throw "lib.fileset.toSource: fileset has files outside root (${top}), in ${files.base}: set root to a folder above them"
      else
        cleanSourceWith {
          src = root;
          filter = path: type: if type == "directory" then holds files (toString path) else files.has (toString path) type;
        };
    fromSource = src:
      if isCleaned src then
        let all = filesOf src.origSrc; in all // {
          has = path: type: all.has path type && taken src.filter (toString src.origSrc) path type;
        }
      else filesOf src;
    isFileset = x: isPath x || x._type or null == "fileset";
    toList = files: let set = filesOf files; in
      if set.base == null then [ ] else map (p: /. + p) (listed set set.base);
    maybeMissing = path: if builtins.pathExists path then filesOf path else none;
    unions = lib.foldl' union none;
    union = a: b: let x = filesOf a; y = filesOf b; in
      if x.base == null then y else if y.base == null then x
      else make (common x.base y.base) (path: type: x.has path type || y.has path type);
    intersection = a: b: let x = filesOf a; y = filesOf b; in
      if x.base == null || y.base == null then none
      else if below x.base y.base || below y.base x.base then
        make (if below x.base y.base then y.base else x.base) (path: type: x.has path type && y.has path type)
      else none;
    difference = a: b: let x = filesOf a; y = filesOf b; in
      if x.base == null then none else make x.base (path: type: x.has path type && !y.has path type);
    fileFilter = take: path:
      let files = filesOf path; in
      if !isPath path then throw "lib.fileset.fileFilter: the second argument must be a path"
      else make files.base (file: type: files.has file type && take {
        inherit type;
        name = baseNameOf file;
        hasExt = ext: lib.hasSuffix ".${ext}" (baseNameOf file);
      });
    gitTracked = gitTrackedWith { };
    gitTrackedWith = _: path: make (toString path) (_: _:
      throw "not supported: lib.fileset.gitTracked, of ${toString path}: name the files, as in lib.fileset.unions [ ./src ./app.py ]");
    trace = _: x: x;
    traceVal = x: x;
  };
}
