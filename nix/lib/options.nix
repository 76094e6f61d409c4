# Declaring options, and the merge functions that types of one's own can use.
# The engine itself is in Go; see package module.
{ lib, prim }:
let
  inherit (builtins) head length;
in
rec {
  isOption = lib.isType "option";
  mkOption =
    { default ? null, defaultText ? null, example ? null, description ? null, relatedPackages ? null, type ? null, apply ? null
    , internal ? null, visible ? null, readOnly ? null
    }@attrs: attrs // { _type = "option"; };

  mkEnableOption = what: mkOption {
    default = false;
    example = true;
    description = if what ? _type && what._type == "mdDoc" then "Whether to enable ${what.text}." else "Whether to enable ${what}.";
    type = lib.types.bool;
  };

  # default is the attribute below pkgs: a name or a path, null for none.
  mkPackageOption = pkgs: name: { nullable ? false, default ? name, example ? null, extraDescription ? "", pkgsText ? "pkgs" }:
    let
      named = if builtins.isList name then lib.last name else name;
      path = lib.toList default;
      text = p: pkgsText + "." + lib.showAttrPath p;
    in
    mkOption ({
      type = if nullable then lib.types.nullOr lib.types.package else lib.types.package;
      description = "The ${named} package to use." + lib.optionalString (extraDescription != "") " ${extraDescription}";
    }
    // lib.optionalAttrs (default != null) {
      # A package set may answer for names that it does not list: `?` and `or`
      # don't see those, a plain selection does, and fails with the place.
      default = builtins.addErrorContext "while looking for the package ${text path}"
        (builtins.foldl' (set: attr: set.${attr}) pkgs path);
      defaultText = literalExpression (text path);
    }
    // lib.optionalAttrs (nullable && default == null) { default = null; }
    // lib.optionalAttrs (example != null) {
      example = literalExpression (if builtins.isList example then text example else example);
    });
  mkPackageOptionMD = mkPackageOption;

  mkSinkUndeclaredOptions = attrs: mkOption ({
    internal = true;
    visible = false;
    default = false;
    description = "Takes what no option is declared for.";
    type = lib.mkOptionType { name = "sink"; check = _: true; merge = _: _: false; };
    apply = _: throw "an option that takes undeclared values cannot be read";
  } // attrs);

  literalExpression = text:
    if !(builtins.isString text) then throw "literalExpression: the argument must be a string"
    else { _type = "literalExpression"; inherit text; };
  literalExample = literalExpression;
  literalCode = language: text: literalMD "```${language}\n${text}\n```\n";
  literalMD = text: { _type = "literalMD"; inherit text; };
  literalDocBook = literalMD;
  mdDoc = text: text;

  # The functions below get the path of an option and what is assigned to it,
  # a list of { file; value; }, and give the value.
  mergeDefaultOption = loc: defs:
    let
      values = getValues defs;
      all = test: builtins.all test values;
    in
    if length values == 1 then head values
    else if all lib.isFunction then x: mergeDefaultOption loc (map (d: d // { value = d.value x; }) defs)
    else if all builtins.isList then builtins.concatLists values
    else if all builtins.isAttrs then builtins.foldl' lib.mergeAttrs { } values
    else if all builtins.isBool then builtins.foldl' lib.or false values
    else if all builtins.isString then lib.concatStrings values
    else if all builtins.isInt && all (x: x == head values) then head values
    else throw "cannot merge what is assigned to `${showOption loc}':${showDefs defs}";

  mergeOneOption = mergeUniqueOption { message = ""; };
  mergeUniqueOption = { message ? "", merge ? (_: defs: (head defs).value) }: loc: defs:
    if length defs == 1 then merge loc defs
    else throw "the option `${showOption loc}' is assigned more than once, but is unique.${
      lib.optionalString (message != "") "\n${message}"}\nAssigned:${showDefs defs}";
  mergeEqualOption = loc: defs:
    if defs == [ ] then abort "no value is assigned to `${showOption loc}'"
    else if length defs == 1 then (head defs).value
    else
      (builtins.foldl'
        (first: def:
          if def.value == first.value then first
          else throw "the option `${showOption loc}' has conflicting values:${showDefs [ first def ]}")
        (head defs)
        (builtins.tail defs)).value;

  getValues = map (d: d.value);
  getFiles = map (d: d.file);

  showOption = path: lib.concatStringsSep "." (map (p: if p == "*" || builtins.match "<.*>" p != null then p else lib.strings.escapeNixIdentifier p) path);
  showFiles = files: lib.concatStringsSep " and " (map (f: "`${f}'") files);
  showDefs = defs: lib.concatMapStrings
    (d: "\n- In `${toString d.file}': ${lib.generators.toPretty { multiline = false; } (lib.generators.withRecursion { depthLimit = 5; throwOnDepthLimit = false; } d.value)}")
    defs;
  showOptionWithDefLocs = opt:
    "${showOption opt.loc}, with values assigned in:\n${lib.concatMapStringsSep "\n" (f: "  - ${f}") opt.files}";

  unknownModule = "<unknown-file>";

  # The declared options as a flat list, as manuals are made from.
  optionAttrSetToDocList = optionAttrSetToDocList' [ ];
  optionAttrSetToDocList' = _: options:
    builtins.concatMap
      (opt:
        let
          name = showOption opt.loc;
          visible = opt.visible or true;
          doc = {
            inherit (opt) loc;
            inherit name;
            description = opt.description or null;
            declarations = builtins.filter (d: d != unknownModule) opt.declarations;
            internal = opt.internal or false;
            visible = if builtins.isBool visible then visible else visible == "shallow";
            readOnly = opt.readOnly or false;
            type = opt.type.description or "unspecified";
          }
          // lib.optionalAttrs (opt ? example) { example = renderOptionValue opt.example; }
          # A submodule's empty value may need what only a user assigns.
          // lib.optionalAttrs (opt ? defaultText || opt ? default || opt.type.emptyValue or { } ? value && opt.type.getSubModules or null == null) {
            default = renderOptionValue (opt.defaultText or opt.default or opt.type.emptyValue.value);
          }
          // lib.optionalAttrs (opt ? relatedPackages && opt.relatedPackages != null) { inherit (opt) relatedPackages; };
          subs = opt.type.getSubOptions opt.loc;
        in
        [ doc ] ++ lib.optionals ((if builtins.isBool visible then visible else visible == "transparent") && subs != { }) (optionAttrSetToDocList' opt.loc subs))
      (lib.collect isOption options);
  renderOptionValue = v:
    if v ? _type && v ? text then v
    else literalExpression (lib.generators.toPretty { allowPrettyValues = true; } v);
  scrubOptionValue = v:
    if lib.isDerivation v then v // { type = "derivation"; drvPath = v.name; outPath = v.name; name = v.name; }
    else if builtins.isList v then map scrubOptionValue v
    else if builtins.isAttrs v then builtins.mapAttrs (_: scrubOptionValue) v
    else v;
}
