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
  pathType = builtins.readFileType;
  pathIsDirectory = path: builtins.pathExists path && pathType path == "directory";
  pathIsRegularFile = path: builtins.pathExists path && pathType path == "regular";
  listFilesRecursive = dir:
    lib.concatMap
      (name:
        let path = dir + "/${name}";
        in if (readDir dir).${name} == "directory" then listFilesRecursive path else [ path ])
      (attrNames (readDir dir));
  # A folder with package.nix is a package; another one is the set of what is in it,
  # with newScope a scope.
  packagesFromDirectoryRecursive = { callPackage, directory, newScope ? null }:
    let
      below = scope: lib.concatMapAttrs
        (name: kind:
          let path = directory + "/${name}"; in
          if kind == "directory" then { ${name} = packagesFromDirectoryRecursive (scope // { directory = path; }); }
          else if kind != "regular" then throw "packagesFromDirectoryRecursive: ${toString path} is neither a file nor a folder"
          else if lib.hasSuffix ".nix" name then { ${lib.removeSuffix ".nix" name} = scope.callPackage path { }; }
          else { })
        (readDir directory);
    in
    if builtins.pathExists (directory + "/package.nix") then callPackage (directory + "/package.nix") { }
    else if newScope == null then below { inherit callPackage; }
    else lib.recurseIntoAttrs (lib.makeScope newScope (self: below { inherit (self) callPackage newScope; }));
  haskellPathsInDir = dir: lib.filterAttrs (name: path: builtins.pathExists (path + "/${name}.cabal"))
    (builtins.mapAttrs (name: _: dir + "/${name}") (readDir dir));
  # The nearest folder from a file upwards with a name that a regular expression matches.
  locateDominatingFile = pattern: file:
    let
      go = path:
        let matches = builtins.filter (m: m != null) (map (builtins.match pattern) (attrNames (readDir path))); in
        if matches != [ ] then { inherit path matches; }
        else if toString path == "/" then null
        else go (dirOf path);
    in
    go (if toString file == "/" || (readDir (dirOf file)).${baseNameOf file} or null == "directory" then file else dirOf file);
  resolveDefaultNix = v:
    if pathIsDirectory v then v + "/default.nix"
    else if builtins.isString v && lib.hasSuffix "/" v then v + "default.nix"
    else v;

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
      outPath = builtins.path { path = origSrc; filter = both; name = if name != null then name else if below then src.name else "source"; };
    };
  # The same source; its filter tells of each file that it is asked about.
  traceSource = src:
    let all = cleanSourceWith { inherit src; }; in
    cleanSourceWith {
      src = all.origSrc;
      inherit (all) name;
      filter = path: type:
        let taken = all.filter path type; in
        builtins.trace "${all.name}.filter ${path} = ${lib.boolToString taken}" taken;
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
  # In a glob, * stands for any text of a name, and ** for any folders.
  sourceByGlobs = src: globs:
    let
      root = toString (if isCleaned src then src.origSrc else src);
      names = text: builtins.filter builtins.isString (builtins.split "/" text);
      regex = name: lib.concatMapStrings (p: if builtins.isList p then "[^/]*" else lib.escapeRegex p) (builtins.split "\\*+" name);
      fits = glob: path: type:
        if path == [ ] then glob == [ ] || type == "directory" || type == "symlink"
        else if glob == [ ] then false
        else
          let
            rest = builtins.tail glob;
            here = pattern: builtins.match (regex pattern) (builtins.head path) != null;
          in
          if builtins.head glob == "**" then
            rest == [ ] || (if here (builtins.head rest) then fits rest path type else fits glob (builtins.tail path) type)
          else here (builtins.head glob) && fits rest (builtins.tail path) type;
      wanted = map (glob: fits (names glob)) globs;
    in cleanSourceWith {
      inherit src;
      filter = path: type: let parts = names (lib.removePrefix "${root}/" path); in lib.any (fit: fit parts type) wanted;
    };
  canCleanSource = src: isCleaned src || !pathHasContext (toString src);
  pathHasContext = builtins.hasContext;

  # What HEAD of a repository stands for: { value; } or { error; }.
  headOf = dir:
    let
      text = lib.fileContents;
      below = base: path: if lib.strings.hasPrefix "/" path then path else toString (/. + "${toString base}/${path}");
      ref = name: dir:
        let
          file = "${toString dir}/${name}";
          link = builtins.match "gitdir: (.*)" (text dir); # of a work tree or a submodule
          gitDir = below (dirOf dir) (builtins.head link);
          shared = below gitDir (lib.removeSuffix "/" (if pathIsRegularFile "${gitDir}/commondir" then text "${gitDir}/commondir" else gitDir));
          next = builtins.match "ref: (.*)" (text file);
          packed = builtins.filter (m: m != null)
            (map (builtins.match "([a-z0-9]+) ${lib.escapeRegex name}") (lib.splitString "\n" (builtins.readFile "${toString dir}/packed-refs")));
        in
        if pathIsRegularFile dir then
          if link == null then { error = "${toString dir} names no repository"; }
          else ref (lib.removePrefix "${shared}/" "${gitDir}/${name}") shared
        else if pathIsRegularFile file then (if next == null then { value = text file; } else ref (builtins.head next) dir)
        else if !(pathIsRegularFile "${toString dir}/packed-refs") then { error = "${toString dir} is not the .git of a repository"; }
        else if packed == [ ] then { error = "${toString dir} has no ${name}"; }
        else { value = builtins.head (builtins.head packed); };
    in ref "HEAD" dir;
  pathIsGitRepo = dir: headOf dir ? value;
  commitIdFromGitRepo = dir: let head = headOf dir; in head.value or (throw "commitIdFromGitRepo: ${head.error}");

  # Names of sources, from what they are fetched from.
  urlToName = url:
    let
      base = baseNameOf (lib.removeSuffix "/" (lib.last (lib.splitString ":" (toString url))));
      bare = name:
        let m = builtins.match "(.*)\\.(git|tar|zip|gz|tgz|bz|tbz|bz2|tbz2|lzma|txz|xz|zstd)" name;
        in if m == null then name else bare (builtins.head m);
    in bare base;
  shortRev = rev:
    let
      base = baseNameOf (toString rev);
      version = builtins.match "([A-Za-z]+[-_. ]?)*(v)?([0-9.]+.*)" base;
    in
    if builtins.match "[a-f0-9]+" base != null then builtins.substring 0 7 base
    else if version != null then lib.last version
    else base;
  revOrTag = rev: tag: if tag != null then tag else if rev != null then rev else "HEAD";
  repoRevToName = kind: repo: rev: suffix:
    let part = v: lib.optionalString (v != null) "-${v}"; in
    {
      source = "source";
      versioned = repoRevToName "full" repo rev null;
      full = "${urlToName repo}${part (if rev == null then null else shortRev rev)}${part suffix}-source";
    }.${kind} or (throw "repoRevToName: the kind must be source, versioned or full, not ${kind}");

  # What is wrong with a subpath is said by the function that was given it.
  path =
    let
      notPath = fn: what: p: "lib.path.${fn}: the ${what} must be a path, such as ./foo, not a ${builtins.typeOf p}";
      wrong = s:
        if !builtins.isString s then "is no string but a ${builtins.typeOf s}"
        else if s == "" then "is empty: write ./. for the folder itself"
        else if lib.strings.hasPrefix "/" s then "(${s}) begins with a slash, and must be relative"
        else if builtins.elem ".." (lib.splitString "/" s) then "(${s}) has a part .., which may lead out of the folder"
        else null;
      parts = s: builtins.filter (p: p != "" && p != ".") (lib.splitString "/" s);
      normal = parts: "./" + (if parts == [ ] then "." else lib.concatStringsSep "/" parts);
      checked = fn: what: s: let why = wrong s; in if why == null then s else throw "lib.path.${fn}: the ${what} ${why}";
      below = fn: prefix: p:
        if !isPath prefix then throw (notPath fn "prefix" prefix)
        else if !isPath p then throw (notPath fn "path" p)
        else toString prefix == "/" || p == prefix || lib.strings.hasPrefix "${toString prefix}/" (toString p);
      relative = p: normal (parts (toString p));
    in
    {
      append = root: sub:
        if !isPath root then throw (notPath "append" "first argument" root)
        else root + ("/" + checked "append" "subpath" sub);
      hasStorePathPrefix = p:
        if !isPath p then throw "lib.path.hasStorePathPrefix: the argument must be a path, not a ${builtins.typeOf p}"
        else builtins.match "${lib.escapeRegex builtins.storeDir}/[^/]{32}-[^/]+(/.*)?|/[0-9a-z]{52}(/.*)?" (toString p) != null;
      hasPrefix = below "hasPrefix";
      removePrefix = prefix: p:
        if !below "removePrefix" prefix p then throw "lib.path.removePrefix: ${toString p} is not below ${toString prefix}"
        else relative (/. + lib.removePrefix (toString prefix) (toString p));
      splitRoot = p: if !isPath p then throw (notPath "splitRoot" "argument" p) else { root = /.; subpath = relative p; };
      subpath = {
        isValid = s: wrong s == null;
        join = subs: normal (builtins.concatLists (lib.imap0 (i: s: parts (checked "subpath.join" "element ${toString i}" s)) subs));
        normalise = s: normal (parts (checked "subpath.normalise" "argument" s));
        components = s: parts (checked "subpath.components" "argument" s);
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
    empty = none;
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
