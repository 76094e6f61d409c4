# Types that are made of others, beside those of the engine; lib.types only.
{ lib, prim }:
let
  inherit (builtins) attrNames head isAttrs isList length mapAttrs;
  inherit (lib) mkOptionType showOption;
  ident = lib.strings.escapeNixIdentifier;
in
rec {
  noCheckForDocsModule = { _file = "<options without checks, for documentation>"; config._module.check = lib.mkForce false; };
  # A description as part of another one: bare says which classes need no parentheses.
  optionDescriptionPhrase = bare: type: if bare (type.descriptionClass or null) then type.description else "(${type.description})";
  part = optionDescriptionPhrase (class: class == "noun" || class == "composite");
  mergeTypes = a: b:
    let merged = a.typeMerge b.functor; in
    if merged == null then lib.setType "merge-error" { error = "Cannot merge types"; } else merged;

  optionDeclaration = mkOptionType {
    name = "optionDeclaration";
    description = "option declaration";
    descriptionClass = "noun";
    check = v: lib.isOption v && !(v ? value);
  };
  luaInline = mkOptionType {
    name = "luaInline";
    description = "inline lua";
    descriptionClass = "noun";
    check = v: v._type or null == "lua-inline";
    merge = lib.mergeEqualOption;
  };
  fileset = mkOptionType {
    name = "fileset";
    description = "fileset";
    descriptionClass = "noun";
    check = lib.fileset.isFileset;
    merge = _: defs: lib.fileset.unions (map (d: d.value) defs);
    emptyValue.value = lib.fileset.empty;
  };
  pkgs = lib.types.addCheck (lib.types.unique { message = "a package set cannot be merged with another one"; } lib.types.attrs)
    (v: v._type or null == "pkgs") // {
    name = "pkgs";
    description = "Nixpkgs package set";
    descriptionClass = "noun";
  };
  passwdEntry = type: lib.types.addCheck type (s: builtins.match "[^:\n]*" s != null) // {
    name = "passwdEntry ${type.name}";
    description = "${optionDescriptionPhrase (class: class == "noun") type}, not containing newlines or colons";
    descriptionClass = "nonRestrictiveClause";
  };
  serializableValueWith = { typeName, nullable ? true }:
    let
      scalar = with lib.types; [ bool int float str path ];
      base = lib.types.oneOf (scalar ++ [ (lib.types.attrsOf value) (lib.types.listOf value) ]);
      value = (if nullable then lib.types.nullOr base else base) // { description = "${typeName} value"; };
    in value;
  loaOf = type: lib.types.attrsOf type // {
    name = "loaOf";
    deprecationMessage = "a list is no set of attributes: use types.attrsOf";
    nestedTypes.elemType = type;
  };

  # A list of sets of one attribute each: their order counts, and a name may come twice.
  attrListOf = elemType: attrListWith { inherit elemType; };
  attrListWith = { elemType, asAttrs ? false, mergeAttrValues ? (_: values: values) }:
    let
      description = "attribute list of ${part elemType}";
      # What the properties around a value say.
      peel = v:
        if v._type or null == "order" then peel v.content // { order = v.priority; }
        else if v._type or null == "override" then # what another one overrides is not evaluated
          let inner = peel v.content; in { inherit (v) priority; inherit (inner) order; value = lib.mkOverride v.priority inner.value; }
        else { value = v; order = lib.defaultOrderPriority; priority = lib.defaultOverridePriority; };
      entry = loc: file: raw:
        let
          ordered = lib.isType "order" raw;
          item = if ordered then raw.content else raw;
          key = head (attrNames item);
        in
        if !isAttrs item || length (attrNames item) != 1 then
          throw "an element of `${showOption loc}' must be a set of one attribute, not ${
            if isAttrs item then "of ${toString (length (attrNames item))}" else "a ${builtins.typeOf item}"}:${
            lib.options.showDefs [ { inherit file; value = raw; } ]}"
        else peel item.${key} // { inherit file key; } // lib.optionalAttrs ordered { order = raw.priority; };
      entries = loc: d:
        if isList d.value then map (entry loc d.file) d.value
        else lib.mapAttrsToList (key: v: peel v // { inherit key; inherit (d) file; }) d.value;
    in
    mkOptionType {
      name = "attrListOf";
      inherit description;
      descriptionClass = "composite";
      check = v: isList v || isAttrs v;
      merge.__functor = self: loc: defs: (self.v2 { inherit loc defs; }).value;
      merge.v2 = { loc, defs }:
        let
          all = builtins.concatMap (entries loc) defs;
          best = mapAttrs (_: lib.foldl' (p: e: lib.min p e.priority) lib.defaultOverridePriority)
            (builtins.groupBy (e: e.key) all);
          wanted = builtins.sort (a: b: a.order < b.order) (builtins.filter (e: e.priority == best.${e.key}) all);
          merged = builtins.filter (e: e.m.isDefined)
            (map (e: e // { m = lib.mergeDefinitions (loc ++ [ e.key ]) elemType [ { inherit (e) file value; } ]; }) wanted);
          list = map (e: { ${e.key} = e.m.mergedValue; }) merged;
        in {
          headError = null;
          value = if asAttrs then builtins.zipAttrsWith mergeAttrValues list else list;
          valueMeta = {
            attrList = map (e: e.m.checkedAndMerged.valueMeta) merged;
            attrListValue = list;
            definitions = map
              (e: lib.mkDefinition { inherit (e) file; value = lib.mkOrder e.order { ${e.key} = e.m.mergedValue; }; })
              merged;
          };
        };
      emptyValue.value = if asAttrs then { } else [ ];
      getSubOptions = prefix: elemType.getSubOptions (prefix ++ [ "*" ]);
      inherit (elemType) getSubModules;
      substSubModules = m: attrListWith { inherit asAttrs mergeAttrValues; elemType = elemType.substSubModules m; };
      typeMerge = _: null;
      nestedTypes.elemType = elemType;
    };

  # One of several options, told by the name of the only attribute.
  attrTag = given:
    let
      tags = mapAttrs
        (name: option:
          let pos = builtins.unsafeGetAttrPos name given; in
          if !lib.isOption option then
            throw "types.attrTag: ${ident name} must be an option: write mkOption { type = …; }${
              lib.optionalString (pos != null) "\n${pos.file}:${toString pos.line}:${toString pos.column}"}"
          else {
            declarations = lib.optional (pos != null) pos.file;
            declarationPositions = lib.optional (pos != null) pos;
          } // option)
        given;
      choices = lib.concatMapStringsSep ", " ident (attrNames given);
      tagOf = d: head (attrNames d.value);
    in
    mkOptionType {
      name = "attrTag";
      description = "attribute-tagged union with choices: ${choices}";
      descriptionClass = "noun";
      check = v: isAttrs v && length (attrNames v) == 1 && tags ? ${head (attrNames v)};
      merge = loc: defs:
        let
          tag = tagOf (head defs);
          other = lib.findFirst (d: tagOf d != tag) null defs;
        in
        if other != null then
          throw "the option `${showOption loc}' is assigned both as ${ident tag} and as ${ident (tagOf other)}, in ${lib.showFiles (lib.getFiles defs)}: choose one of them"
        else { ${tag} = (lib.evalOptionValue (loc ++ [ tag ]) tags.${tag} (map (d: d // { value = d.value.${tag}; }) defs)).value; };
      getSubOptions = prefix: mapAttrs (tag: option: option // { loc = prefix ++ [ tag ]; }) tags;
      nestedTypes = tags;
      functor = lib.types.defaultFunctor "attrTag" // {
        payload = { inherit tags; };
        type = payload: attrTag payload.tags;
        binOp = a: b: {
          tags = a.tags // b.tags // mapAttrs
            (tag: option: lib.mergeOptionDecls [ tag ] (map (o: { options = o; _file = head (o.declarations ++ [ "<attrTag>" ]); }) [ a.tags.${tag} option ]) // {
              declarations = a.tags.${tag}.declarations ++ option.declarations;
              declarationPositions = a.tags.${tag}.declarationPositions ++ option.declarationPositions;
            })
            (builtins.intersectAttrs a.tags b.tags);
        };
      };
    };
}
