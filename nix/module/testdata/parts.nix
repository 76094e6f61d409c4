# What modules and types tell of themselves, and what modules get as arguments.
lib: with lib; let
  opt = type: mkOption { inherit type; };
  eval = modules: evalModules { inherit modules; };
  ev = modules: removeAttrs (eval modules).config [ "_module" ];
  fails = v: !(builtins.tryEval (builtins.deepSeq v 1)).success;
  positive = types.ints.positive;
  sub = types.submodule { options.x = mkOption { type = types.int; default = 1; description = "X."; }; };
  none = types.submodule { };
  open = types.submodule { freeformType = types.attrsOf sub; options.y = mkOption { default = 2; }; };
in {
  descriptions = map (t: t.description) (with types; [
    (either (listOf str) bool) (either bool (listOf str)) (oneOf [ (attrsOf int) (listOf int) str ]) (either positive (enum [ "auto" ]))
    (either positive (enum [ "a" "b" ])) (either (enum [ "a" "b" ]) positive) (listOf positive) (nullOr (either int str)) (nullOr (listOf str)) (nullOr (enum [ 1 2 ]))
    (either (nullOr bool) str) (listOf (listOf str)) (attrsOf attrs) (nonEmptyListOf (either int str)) (functionTo (nullOr str)) (nullOr (functionTo str))
    (coercedTo int toString str) (coercedTo (listOf int) toString (nullOr str)) (listOf (coercedTo int toString str)) (listOf number) (listOf (numbers.between 1 2))
    (listOf numbers.positive) (listOf ints.u8) (attrsOf json) (listOf toml) (uniq (nullOr str)) (listOf (uniq (nullOr str))) (enum [ true null 1 ]) (attrsOf sub) (attrsOf open) (listOf (nullOr open))
    (listOf (mkOptionType { name = "mine"; })) (listOf (mkOptionType { name = "mine"; descriptionClass = "noun"; })) (listOf (str // { description = "two words"; descriptionClass = null; }))
  ]);
  classes = map (t: t.descriptionClass) (with types; [ int positive (enum [ 1 ]) (enum [ 1 2 ]) attrs sub (nullOr int) (either int str) (listOf int) json (numbers.between 1 2) (uniq (listOf int)) ]);

  arguments = (evalModules { class = "c"; prefix = [ "p" ]; specialArgs.s = 1; modules = [ (args@{ ... }: { options.names = mkOption { default = attrNames args; }; options.said = mkOption { default = [ args._class args._prefix args.specialArgs ]; }; }) ]; }).config;
  classAtImport = (evalModules { class = "c"; modules = [ ({ _class, ... }: { imports = optional (_class == "c") { options.a = mkOption { default = 1; }; }; }) ]; }).config.a;
  ownLib = ev [ { options.s = opt (types.submoduleWith { specialArgs.lib = { mine = 1; }; modules = [ ({ lib, ... }: { options.a = opt types.raw; config.a = lib; }) ]; }); config.s = { }; } ];
  prefixes = ev [ { options.s = opt (types.attrsOf (types.submodule ({ _prefix, ... }: { options.at = mkOption { default = _prefix; }; }))); config.s.k = { }; } ];
  variants = builtins.sort builtins.lessThan (ev [ ({ moduleType, ... }: { options.variants = mkOption { type = types.lazyAttrsOf moduleType; default = { }; }; options.n = mkOption { type = types.listOf types.int; default = [ ]; }; config.n = [ 1 ]; }) { variants.a = { n = [ 2 ]; variants.b.n = [ 3 ]; }; } ]).variants.a.variants.b.n;
  specialised = (ev [ { options.s = mkOption { default = { }; type = types.submodule ({ extendModules, ... }: { options.v = opt types.int; options.other = mkOption { default = { }; inherit (extendModules { modules = [ { other = mkForce { }; v = mkForce 5; } ]; }) type; }; config.v = 1; }); }; } ]).s.other.v;
  extended = let c = (evalModules { specialArgs.a = 1; modules = [ ({ extendModules, a, ... }: { options.a = mkOption { default = a; }; options.more = mkOption { default = (extendModules { specialArgs.a = 2; modules = [ { options.b = mkOption { default = 3; }; } ]; prefix = [ "q" ]; }); }; }) ]; }).config.more; in [ c.config.a c.config.b c.options.b.loc ];

  metaOfShort = (ev [ { options.meta.l = opt (types.listOf types.int); } { meta.l = [ 1 ]; } { meta.l = [ 2 ]; config = { }; } ]).meta.l;
  disabledByName = (evalModules { specialArgs.modulesPath = "/m"; modules = [ { disabledModules = [ "a.nix" ]; imports = [ { key = "/m/a.nix"; options.a = mkOption { default = 1; }; } { key = "/m/b.nix"; options.b = mkOption { default = 1; }; } ]; } ]; }).config;
  placeholders = let t = placeholder: types.attrsWith { inherit placeholder; elemType = sub; }; both = a: b: (eval [ { options.o = opt a; } { options.o = opt b; } ]).options.o.type; in
    map (t: (t.getSubOptions [ "o" ]).x.loc) [ (both (t "id") (types.attrsOf none)) (both (types.attrsOf none) (t "id")) (both (types.attrsOf none) (types.attrsOf sub)) ] ++ [ (fails (both (t "id") (t "other"))) ];
  doNotJoin = map (types: fails (eval (map (t: { options.o = opt t; }) types)).options.o) (with types; [ [ (lazyAttrsOf int) (attrsOf int) ] [ (coercedTo int toString str) (coercedTo int toString str) ] [ int str ] [ int int ] ]);
  emptyValues = map (t: t.emptyValue) (with types; [ (coercedTo (attrsOf int) attrNames (listOf str)) (coercedTo (attrsOf int) attrNames str) sub (nullOr int) (uniq (listOf int)) int ]);
  nothingCoerced = ev [ { options.o = opt (types.coercedTo (types.attrsOf types.int) attrNames (types.listOf types.str)); } ];
  inStore = map (t: map t.check [ "${builtins.storeDir}/0fb3ykw9r5hpayd05sr0cizwadzq1d8q-a" "${builtins.storeDir}/0fb3ykw9r5hpayd05sr0cizwadzq1d8q-a/b" "${builtins.storeDir}/a" "${builtins.storeDir}/" "${builtins.storeDir}/.links" builtins.storeDir "/a" ]) [ types.pathInStore (types.pathWith { inStore = false; }) ];
  anythingLists = [ (ev [ { options.o = opt types.anything; config.o.l = [ 1 ]; } { o.l = [ 1 ]; } ]).o (fails (ev [ { options.o = opt types.anything; config.o.l = [ 1 ]; } { o.l = [ 2 ]; } ])) ];
  functionDocs = ((types.functionTo sub).getSubOptions [ "f" ]).x.loc;
  freeformDocs = attrNames (open.getSubOptions [ ])._freeformOptions;
  positions = let o = (eval [ { options.a = opt types.int; options.b = opt sub; } { options.b.more = mkOption { default = 1; }; } { options = mapAttrs (_: v: v) { c = opt types.int; }; } ]).options; in
    [ (map (p: p.line != null) o.a.declarationPositions) (length o.b.declarations) (length o.b.declarationPositions) (map (p: p.line) o.c.declarationPositions) ];
  inDeclaringFile = (((eval [ { _file = "f"; options.s = opt (types.attrsOf sub); } ]).options.s.type.getSubOptions [ ]).x.declarations);
  warning = (ev [ (mkRenamedOptionModule [ "a" ] [ "b" "c" ]) { options.b.c = opt types.int; options.warnings = opt (types.listOf types.str); } { _file = "f"; a = 1; } ]).warnings;

  meta = let o = (eval [ { options.a = opt (types.attrsOf types.int); options.l = opt (types.listOf sub); options.i = opt types.int; options.n = opt types.str; options.s = opt (types.attrsOf sub); } { a.x = 1; a.y = 2; l = [ { } { x = 4; } ]; i = 1; s.k.x = 3; } ]).options; in
    [ o.a.valueMeta.attrs o.i.valueMeta o.n.valueMeta (map (m: m.configuration.options.x.value) o.l.valueMeta.list) o.s.valueMeta.attrs.k.configuration.config.x ];
  mergedByV2 = (types.attrsOf types.int).merge.v2 { loc = [ "o" ]; defs = [ { file = "f"; value.a = 1; } ]; };
  mineV2 = let t = mkOptionType { name = "v2"; check = { __functor = self: x: true; isV2MergeCoherent = true; }; merge = { __functor = self: loc: defs: (self.v2 { inherit loc defs; }).value; v2 = { loc, defs }: { headError = null; value = length defs; valueMeta.loc = loc; }; }; }; o = (eval [ { options.o = opt t; config.o = "a"; } { o = "b"; } ]).options.o; in [ o.value (removeAttrs o.valueMeta [ "_internal" ]) ];
  attrLists = let o = (eval [ { _file = "f"; options.o = opt (types.attrListOf types.int); config.o = [ { a = mkDefault (abort "overridden"); } { a = mkForce 1; } (mkBefore { b = 2; }) ]; } ]).options.o; in [ o.value o.valueMeta.attrList o.valueMeta.attrListValue (map (d: [ d.file d.value.priority ]) o.valueMeta.definitions) ];
  attrTags = (eval [ { options.o = opt (types.attrTag { a = opt types.int; b = opt types.str; }); } { options.o = opt (types.attrTag { b = opt types.str; c = opt types.bool; }); } { o.c = true; } ]).config.o;

  docs = map (o: [ o.name o.type o.visible (o.default or null) ]) (filter (o: !o.internal) (optionAttrSetToDocList (eval [ {
    options = mapAttrs (name: visible: mkOption { inherit visible; type = open; default = { }; }) { yes = true; no = false; shallow = "shallow"; through = "transparent"; }
      // { list = opt (types.listOf types.int); hidden = mkOption { internal = true; type = sub; default = { }; }; bare = opt sub; int = opt types.int; };
  } ]).options));
}
