lib: with lib.generators; with lib; {
  keyValue = toKeyValue { } { a = 1; b = true; c = "x=y"; d = null; "e=f" = 1.5; };
  keyValueDup = toKeyValue { listsAsDuplicateKeys = true; indent = "  "; } { a = [ 1 2 ]; b = "c"; };
  keyValueSep = toKeyValue { mkKeyValue = mkKeyValueDefault { } " = "; } { a = 1; };
  customValue = toKeyValue { mkKeyValue = mkKeyValueDefault { mkValueString = v: if v == true then "yes" else if v == false then "no" else mkValueStringDefault { } v; } " "; } { a = true; b = 3; };
  ini = toINI { } { foo = { hi = "${toString 1}"; ciao = "bar"; }; "baz[x]" = { "also, integers" = 42; }; };
  iniDup = toINI { listsAsDuplicateKeys = true; } { s = { a = [ "x" "y" ]; }; };
  iniGlobal = toINIWithGlobalSection { } { globalSection = { someoption = "x"; }; sections = { foo = { a = 1; }; }; };
  iniEmpty = toINI { } { };
  git = toGitINI { user.name = "a b"; remote."origin".url = "x"; core = { bare = false; }; url."ssh://git@x/".insteadOf = [ "a" "b" ]; };
  json = generators.toJSON { } { a = [ 1 null ]; };
  yaml = generators.toYAML { } { a = { b = 1; }; };
  pretty = toPretty { } { a = 1; b = [ true null "x\ny" ]; c = { }; d = [ ]; "e f" = 1.5; f = x: x; g = { a, b ? 1 }: a; s = "q\"u\${o}"; };
  prettyOne = toPretty { multiline = false; } { a = 1; b = [ 1 "x\ny" ]; };
  prettyFunctor = toPretty { } [ { __functor = self: { a, b ? 1 }: a; } ];
  deep = map (limit: generators.withRecursion { depthLimit = limit; throwOnDepthLimit = false; } { a = 1; b = [ 2 { c = 3; __toString = self: "kept ${toString self.c}"; } ]; }) [ 0 1 2 3 ];
  deepThrows = map (limit: (builtins.tryEval (builtins.deepSeq (generators.withRecursion { depthLimit = limit; } { a.b = 1; }) 1)).success) [ 1 2 3 ];
  plist = map (escape: generators.toPlist { inherit escape; } { a = [ ]; "b<" = { c = 1.5; d = "&\"x"; e = null; f = [ { } true 2 /p ]; _module = 1; }; }) [ true false ];
  lua = toLua { } { a = 1; b = [ true null "x" ]; c = { }; };
  luaOne = toLua { multiline = false; } { a = 1; b = [ 2 ]; };
  cli = cli.toGNUCommandLineShell { } { data = ''{"id": 0}''; X = "PUT"; retry = 3; url = [ "a" "b" ]; silent = false; verbose = true; n = null; };
  cliSep = cli.toGNUCommandLine { optionValueSeparator = "="; } { a = 1; long = "x"; };
  dconf = generators.toDconfINI { "org/x" = { a = true; s = "t"; l = [ "a" "b" ]; n = gvariant.mkUint32 5; }; empty = { }; };
  dconfLine = generators.mkDconfKeyValue "k" 1.5;
  dhall = [ (generators.toDhall { } { a = 1; b = [ true false ]; c = "x"; d = -2; e = { }; }) (generators.toDhall { } 1.5) ];
  luaInline = generators.toLua { } { a = mkLuaInline "f()"; };
  luaBindings = [ (generators.toLua { asBindings = true; } { a = 1; b.c = "x"; }) (generators.toLua { asBindings = true; indent = "  "; } { "d.e" = [ 1 2 ]; }) (generators.toLua { asBindings = true; } { }) (builtins.tryEval (generators.toLua { asBindings = true; } { "1" = 2; })).success ];
}
