lib: with lib; {
  concat = [ (concatStrings [ "a" "b" ]) (concatLines [ "a" "b" ]) (concatMapStrings toString [ 1 2 ]) (concatImapStrings (i: s: "${toString i}${s}") [ "a" "b" ]) ];
  sep = [ (concatMapStringsSep "-" toUpper [ "a" "b" ]) (concatImapStringsSep "-" (i: x: "${x}${toString i}") [ "a" "b" ]) (concatMapAttrsStringSep "," (n: v: "${n}=${v}") { a = "1"; b = "2"; }) ];
  intersperse = [ (intersperse "/" [ "usr" "local" "bin" ]) (intersperse "/" [ ]) ];
  optionalString = [ (optionalString true "x") (optionalString false "x") ];
  fixed = [ (fixedWidthString 5 "0" "15") (fixedWidthNumber 4 7) ];
  paths = [ (makeSearchPath "bin" [ "/a" "/b" ]) (makeBinPath [ "/usr" "/local" ]) (strings.normalizePath "/a//b///c/") ];
  has = [ (hasPrefix "foo" "foobar") (hasPrefix "bar" "foobar") (hasSuffix "bar" "foobar") (hasSuffix "foobarbaz" "bar") (hasInfix "ob" "foobar") (hasInfix "a.c" "abc") ];
  remove = [ (removePrefix "foo." "foo.bar") (removePrefix "x" "foo") (removeSuffix "-v1" "app-v1") (removeSuffix "x" "foo") ];
  chars = [ (stringToCharacters "abc") (stringAsChars (c: if c == "a" then "i" else c) "nax") ];
  split = [ (splitString "." "foo.bar.baz") (splitString "/" "/usr/local/bin") (splitString "--" "a--b") (splitString "." "") (splitString "[" "a[b") ];
  trim = [ (trim "  a b \n\t") (trim "") (trim "   ") (trimWith { start = true; } "  x ") (trimWith { end = true; } "  x ") ];
  lev = [ (strings.levenshtein "foo" "foo") (strings.levenshtein "book" "hook") (strings.levenshtein "hello" "Heyo") ];
  case = [ (toLower "HOME") (toUpper "home") (toSentenceCase "home") (toCamelCase "hello-world") (toCamelCase "hello world_x") ];
  escape = [ (escape [ "(" ")" ] "(foo)") (escapeRegex "[^a-z]*.$") (escapeShellArg "esc'ape\nme") (escapeShellArg "plain-1.0") (escapeShellArg "") (escapeShellArgs [ "one" "two three" "four'five" ]) ];
  shellArgPath = escapeShellArg "/a/b:c@d%e+f,g_h";
  nix = [ (strings.escapeNixString ''hello''${} "x"'') (strings.escapeNixIdentifier "hello") (strings.escapeNixIdentifier "0abc") (strings.escapeNixIdentifier "a.b") (strings.escapeNixIdentifier "if") ];
  xml = escapeXML ''"test" 'test' < & >'';
  url = escapeURL "https://example.com/foo bar?x=1&y=ä";
  shellVar = [ (toShellVar "foo" "some string") (toShellVar "l" [ "a" "b c" ]) (toShellVar "m" { a = "1"; b = "x y"; }) ];
  shellVars = toShellVars { one = 1; two = "2 2"; };
  posix = map isValidPosixName [ "a_1" "1a" "a-b" ];
  conv = [ (toInt " 42 ") (toInt "-1") (toIntBase10 "0042") (strings.floatToString 0.5) ];
  convFails = map (x: (builtins.tryEval x).success) [ (toInt "a") (toInt "007") (toInt "1.5") (toIntBase10 "x") ];
  names = [ (getName "hello-1.2.3") (getVersion "hello-1.2.3") (getName { pname = "x"; }) (getVersion { name = "a-2"; }) (nameFromURL "https://nixos.org/releases/nix/nix-1.7/nix-1.7-x86_64-linux.tar.bz2" "-") ];
  versions = [ (versionOlder "1.1" "1.2") (versionOlder "1.1" "1.1") (versionAtLeast "1.1" "1.0") (versions.major "1.2.3") (versions.minor "1.2.3") (versions.patch "1.2.3") (versions.majorMinor "1.2.3") (versions.pad 3 "1.2") (versions.pad 3 "1.3-rc1") (versions.pad 3 "1.2.3.4") ];
  features = [ (enableFeature true "shared") (enableFeature false "shared") (enableFeatureAs true "s" "foo") (withFeature false "x") (withFeatureAs true "x" "y") (cmakeBool "ENABLE" true) ];
  sanitize = [ (strings.sanitizeDerivationName "../hello.bar # foo") (strings.sanitizeDerivationName "") (strings.sanitizeDerivationName "pkg\\foo") ];
  like = map strings.isConvertibleWithToString [ 1 "a" null [ 1 "b" ] { } { outPath = "/x"; } ];
  replicate = strings.replicate 3 "v";
  replaceString = replaceString "world" "Nix" "Hello, world!";
  meson = [ (mesonOption "engine" "opengl") (mesonBool "hardened" true) (mesonBool "static" false) (mesonEnable "docs" true) (mesonEnable "savage" false) ];
  mesonWrong = map (x: (builtins.tryEval x).success) [ (mesonOption "a" 1) (mesonOption 1 "a") ];
  splitBy = [
    (splitStringBy (prev: cur: builtins.elem cur [ "." "-" ]) false "foo.bar-baz") (splitStringBy (prev: cur: builtins.match "[a-z]" prev != null && builtins.match "[A-Z]" cur != null) true "fooBarBaz")
    (splitStringBy (p: c: c == "/") true "/a//b") (splitStringBy (p: c: c == "/") false "/a//b/") (splitStringBy (p: c: true) false "") (splitStringBy (p: c: false) true "abc")
  ];
  suffixLength = [ (strings.commonSuffixLength "test-suffix" "many-suffix") (strings.commonSuffixLength "a" "") (strings.commonSuffixLength "abc" "abc") (strings.commonPrefixLength "abc" "abd") ];
  atMost = map (k: map (p: strings.levenshteinAtMost k (builtins.elemAt p 0) (builtins.elemAt p 1)) [ [ "foo" "foo" ] [ "foo" "boo" ] [ "foo" "box" ] [ "book" "hook" ] [ "abcdef" "bcde" ] [ "" "abc" ] [ "kitten" "sitting" ] ]) [ (-1) 0 1 2 3 ];
  contexts = [ (addContextFrom "a" "b") (appendContext "a" { }) ];
  longName = [ (strings.sanitizeDerivationName (strings.replicate 30 "0123456789")) (strings.sanitizeDerivationName "..a b") ];
  control = [ (strings.escapeC [ "\n" " " ] "Hello World\n") (escapeURL " ?&=#+%!<>#\"{}|\\^[]`\t:/@$'()*,;") (map strings.charToInt [ "a" "\t" "~" ]) ];
  storePaths = map isStorePath [ "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9" "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9/x" "/nix/store/d945ibfx9x185xf04b890y4f9g3cbb63-x" "d945ibfx9x185xf04b890y4f9g3cbb63-x" "" 1 ];
  onlyText = map (x: (builtins.tryEval x).success) [ (toSentenceCase /a) (toCamelCase /a) ];
  longPrefix = [ (strings.commonPrefixLength (strings.replicate 20000 "a") (strings.replicate 20000 "a")) (strings.commonSuffixLength (strings.replicate 20000 "b") "b") ];
}
