# Strings.
{ lib, ... }:
let
  inherit (builtins) concatStringsSep elemAt filter genList head isString length match
    replaceStrings split stringLength substring;

  lower = "abcdefghijklmnopqrstuvwxyz";
  upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  digits = "0123456789";
in
rec {
  inherit (builtins) compareVersions concatStringsSep elem elemAt filter fromJSON genList head
    isInt isList isAttrs isPath isString isBool isFloat match parseDrvName readFile
    replaceStrings split storeDir stringLength substring tail toJSON typeOf
    unsafeDiscardStringContext splitVersion toFile hashString baseNameOf dirOf;

  # Joining.
  concatStrings = concatStringsSep "";
  concatLines = concatMapStrings (s: s + "\n");
  concatMapStrings = f: xs: concatStringsSep "" (map f xs);
  concatImapStrings = f: xs: concatStringsSep "" (lib.imap1 f xs);
  concatMapStringsSep = sep: f: xs: concatStringsSep sep (map f xs);
  concatImapStringsSep = sep: f: xs: concatStringsSep sep (lib.imap1 f xs);
  concatMapAttrsStringSep = sep: f: set: concatStringsSep sep (lib.mapAttrsToList f set);
  intersperse = sep: xs:
    if xs == [ ] then [ ]
    else [ (head xs) ] ++ builtins.concatMap (x: [ sep x ]) (builtins.tail xs);
  join = concatStringsSep;
  replicate = n: s: concatStringsSep "" (lib.lists.replicate n s);
  optionalString = cond: s: if cond then s else "";
  replaceString = from: to: replaceStrings [ from ] [ to ];
  fixedWidthString = width: fill: s:
    assert lib.assertMsg (stringLength s <= width)
      "fixedWidthString: ${toString width} is too narrow for ${builtins.toJSON s}";
    if stringLength s == width then s else fixedWidthString width fill (fill + s);
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);

  # Paths of folders.
  makeSearchPath = sub: dirs: concatMapStringsSep ":" (dir: "${dir}/${sub}") (filter (dir: dir != null) dirs);
  makeSearchPathOutput = output: sub: pkgs: makeSearchPath sub (map (lib.getOutput output) pkgs);
  makeLibraryPath = makeSearchPathOutput "lib" "lib";
  makeIncludePath = makeSearchPathOutput "dev" "include";
  makeBinPath = makeSearchPathOutput "bin" "bin";
  normalizePath = s:
    let
      start = if hasPrefix "/" s then "/" else "";
      end = if stringLength s > 1 && hasSuffix "/" s then "/" else "";
    in start + concatStringsSep "/" (filter (p: p != "") (splitString "/" s)) + end;

  # Looking.
  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix = suffix: s:
    let over = stringLength s - stringLength suffix;
    in over >= 0 && substring over (-1) s == suffix;
  hasInfix = infix: s: match ".*${escapeRegex infix}.*" "${s}" != null;
  removePrefix = prefix: s:
    if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix = suffix: s:
    if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  stringToCharacters = s: genList (i: substring i 1 s) (stringLength s);
  stringAsChars = f: s: concatMapStrings f (stringToCharacters s);
  splitString = sep: s:
    # the string itself, without its context, tells where to cut
    let parts = filter isString (split (escapeRegex (toString sep)) (toString s));
    in map (builtins.substring 0 (-1)) parts;
  # Cuts where predicate says so, of a character and the one before it.
  splitStringBy = predicate: keep: s:
    let
      n = stringLength s;
      cuts = filter (i: predicate (if i == 0 then "" else substring (i - 1) 1 s) (substring i 1 s)) (genList (i: i) n);
      starts = [ 0 ] ++ (if keep then cuts else map (i: i + 1) cuts);
    in lib.zipListsWith (from: to: substring from (to - from) s) starts (cuts ++ [ n ]);
  trim = trimWith { start = true; end = true; };
  trimWith = { start ? false, end ? false }: s:
    let
      space = "[ \t\r\n]*";
      left = head (match "${space}(.*)" s);
      right = s: let m = match "(.*[^ \t\r\n])${space}" s; in if m == null then "" else head m;
      cut = if start then left else s;
    in if end then right cut else cut;
  levenshtein = a: b:
    let
      rows = genList (i: genList (j: dist i j) (stringLength b + 1)) (stringLength a + 1);
      at = i: j: elemAt (elemAt rows i) j;
      dist = i: j:
        if i == 0 then j
        else if j == 0 then i
        else
          let cost = if substring (i - 1) 1 a == substring (j - 1) 1 b then 0 else 1;
          in lib.min (at (i - 1) (j - 1) + cost) (lib.min (at (i - 1) j + 1) (at i (j - 1) + 1));
    in at (stringLength a) (stringLength b);
  levenshteinAtMost = k: a: b:
    let longer = stringLength a - stringLength b; in
    if k <= 0 then a == b else longer <= k && -longer <= k && levenshtein a b <= k;
  commonSuffixLength = a: b:
    let
      n = lib.min (stringLength a) (stringLength b);
      at = i: s: substring (stringLength s - i - 1) 1 s;
    in lib.lists.findFirstIndex (i: at i a != at i b) n (genList (i: i) n);
  commonPrefixLength = a: b:
    let n = lib.min (stringLength a) (stringLength b); in
    lib.lists.findFirstIndex (i: substring i 1 a != substring i 1 b) n (genList (i: i) n);

  # Changing.
  lowerChars = stringToCharacters lower;
  upperChars = stringToCharacters upper;
  # JSON can name the characters that no text of Nix can.
  asciiTable = builtins.listToAttrs (genList
    (i: { name = fromJSON "\"\\u${fixedWidthString 4 "0" (lib.toHexString (i + 1))}\""; value = i + 1; }) 127);
  charToInt = c: asciiTable.${c};
  toLower = replaceStrings upperChars lowerChars;
  toUpper = replaceStrings lowerChars upperChars;
  toSentenceCase = s: if !isString s then throw "toSentenceCase: the argument must be a string, not a ${builtins.typeOf s}" else toUpper (substring 0 1 s) + toLower (substring 1 (-1) s);
  toCamelCase = s:
    let
      words = filter (w: isString w && w != "") (split "[^[:alnum:]]+" s);
      cap = w: toUpper (substring 0 1 w) + substring 1 (-1) w;
      first = head words;
    in
    if !isString s then throw "toCamelCase: the argument must be a string, not a ${builtins.typeOf s}"
    else if words == [ ] then ""
    else toLower (substring 0 1 first) + substring 1 (-1) first + concatMapStrings cap (builtins.tail words);

  # Escaping. A shell word that needs no quotes gets none.
  escape = chars: replaceStrings chars (map (c: "\\${c}") chars);
  escapeC = chars: replaceStrings chars (map (c: "\\x${toLower (lib.fixedWidthString 2 "0" (lib.toHexString (charToInt c)))}") chars);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeShellArg = arg:
    let s = toString arg; in
    if match "[[:alnum:],._+:@%/-]+" s != null then s
    else "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  escapeNixString = s: escape [ "$" ] (builtins.toJSON s);
  escapeNixIdentifier = s:
    if match "[a-zA-Z_][a-zA-Z0-9_'-]*" s != null && !(builtins.elem s keywords) then s else escapeNixString s;
  keywords = [ "assert" "else" "if" "in" "inherit" "let" "or" "rec" "then" "with" ];
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeQuotes = replaceStrings [ ''"'' ] [ ''\"'' ];
  escapeURL =
    let
      plain = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
      code = c: "%" + fixedWidthString 2 "0" (lib.toHexString asciiTable.${c});
      bad = filter (c: !(builtins.elem c plain)) (builtins.attrNames asciiTable);
    in replaceStrings bad (map code bad);
  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
  toShellVar = name: value:
    lib.throwIfNot (isValidPosixName name) "toShellVar: ${name} is not a valid shell variable name" (
      if builtins.isAttrs value && !isStringLike value then
        "declare -A ${name}=(${concatStringsSep " " (lib.mapAttrsToList (k: v: "[${escapeShellArg k}]=${escapeShellArg v}") value)})"
      else if builtins.isList value then "declare -a ${name}=(${escapeShellArgs value})"
      else "${name}=${escapeShellArg value}");
  toShellVars = vars: concatStringsSep "\n" (lib.mapAttrsToList toShellVar vars);

  # Conversions.
  inherit (builtins) appendContext;
  addContextFrom = from: s: substring 0 0 from + s;
  isStringLike = v: isString v || builtins.isPath v || v ? outPath || v ? __toString;
  isConvertibleWithToString = v:
    isStringLike v || builtins.elem (builtins.typeOf v) [ "null" "int" "float" "bool" ]
    || (builtins.isList v && builtins.all isConvertibleWithToString v);
  isSimpleString = isString;
  # Also what stands for the output of a derivation whose path is not known yet.
  isStorePath = v: isStringLike v &&
    (let s = toString v; in hasPrefix "/" s && (builtins.dirOf s == builtins.storeDir || match "/[0-9a-z]{52}" s != null));
  toInt = s:
    let
      m = match "[[:space:]]*(-?[[:digit:]]+)[[:space:]]*" s;
      zeros = match "[[:space:]]*-?0[[:digit:]]+[[:space:]]*" s != null;
    in
    if m == null then throw "toInt: ${builtins.toJSON s} is not an integer"
    else if zeros then throw "toInt: ${builtins.toJSON s} is ambiguous between octal and decimal"
    else builtins.fromJSON (head m);
  toIntBase10 = s:
    let m = match "[[:space:]]*0*(-?[[:digit:]]+)[[:space:]]*" s; in
    if m == null then throw "toIntBase10: ${builtins.toJSON s} is not an integer"
    else
      let bare = match "(-?)0*([[:digit:]]+)" (head m);
      in builtins.fromJSON (head bare + elemAt bare 1);
  floatToString = f: let s = toString f; in if builtins.fromJSON s == f then s else builtins.toJSON f;
  fileContents = file: removeSuffix "\n" (builtins.readFile file);
  readPathsFromFile = root: file: map (p: root + "/${p}")
    (filter (line: line != "" && !(hasPrefix "#" line)) (splitString "\n" (builtins.readFile file)));
  sanitizeDerivationName = s:
    let
      flat = concatMapStrings (p: if isString p then p else "-") (split "[^[:alnum:]+._?=-]+" (builtins.unsafeDiscardStringContext s));
      bare = head (match "\\.*(.*)" flat);
    in if bare == "" then "unknown" else substring (lib.max 0 (stringLength bare - 207)) (-1) bare;

  # Names and versions.
  getName = pkg: if isString pkg then (builtins.parseDrvName pkg).name else pkg.pname or (builtins.parseDrvName pkg.name).name;
  getVersion = pkg: if isString pkg then (builtins.parseDrvName pkg).version else pkg.version or (builtins.parseDrvName pkg.name).version;
  nameFromURL = url: sep: head (splitString sep (lib.last (splitString "/" url)));
  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !(versionOlder a b);

  enableFeature = on: name: "--${if on then "enable" else "disable"}-${name}";
  enableFeatureAs = on: name: value: enableFeature on name + optionalString on "=${value}";
  withFeature = on: name: "--with${optionalString (!on) "out"}-${name}";
  withFeatureAs = on: name: value: withFeature on name + optionalString on "=${value}";
  cmakeOptionType = type: name: value: "-D${name}:${toUpper type}=${value}";
  cmakeBool = name: on: cmakeOptionType "bool" name (if on then "TRUE" else "FALSE");
  cmakeFeature = cmakeOptionType "string";
  mesonOption = name: value:
    assert lib.assertMsg (isString name && isString value) "mesonOption: the name and the value must be strings";
    "-D${name}=${value}";
  mesonBool = name: on: mesonOption name (lib.boolToString on);
  mesonEnable = name: on: mesonOption name (if on then "enabled" else "disabled");

  # Text for people.
  boolToString = lib.boolToString;
  pluralise = n: one: many: if n == 1 then one else many;
  indentLines = prefix: s: concatMapStringsSep "\n" (line: if line == "" then line else prefix + line) (splitString "\n" s);
}
