# Values as text in the formats that programs read; lib.generators only.
{ lib, ... }:
let
  inherit (builtins) concatStringsSep isAttrs isBool isFloat isInt isList isPath isString toJSON typeOf;
  inherit (lib) isFunction; # also a set with __functor
in
rec {
  mkValueStringDefault = { }: v:
    if isString v then v
    else if isInt v || isPath v then toString v
    else if v == true then "true"
    else if v == false then "false"
    else if v == null then "null"
    else if isFloat v then lib.strings.floatToString v
    else if lib.isDerivation v then toString v
    else throw "mkValueStringDefault: a ${typeOf v} cannot be written: ${toPretty { } v}";

  # sep "=" gives a function from name and value to name=value.
  mkKeyValueDefault = { mkValueString ? mkValueStringDefault { } }: sep: name: v:
    "${lib.escape [ sep ] name}${sep}${mkValueString v}";

  toKeyValue = { mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false, indent ? "" }:
    let
      line = name: v: indent + mkKeyValue name v + "\n";
      lines = if listsAsDuplicateKeys then name: v: map (line name) (lib.toList v) else name: v: [ (line name v) ];
    in set: lib.concatStrings (lib.concatLists (lib.mapAttrsToList lines set));

  toINI = { mkSectionName ? (name: lib.escape [ "[" "]" ] name), mkKeyValue ? mkKeyValueDefault { } "=", listsAsDuplicateKeys ? false }:
    sections:
    concatStringsSep "\n" (lib.mapAttrsToList
      (name: values: "[${mkSectionName name}]\n" + toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } values)
      sections);

  toINIWithGlobalSection = options: { globalSection, sections ? { } }:
    (if globalSection == { } then ""
    else toKeyValue (builtins.removeAttrs options [ "mkSectionName" ]) globalSection + "\n")
    + toINI options sections;

  toGitINI = set:
    let
      section = name:
        let parts = lib.splitString "." name;
        in if builtins.length parts == 1 then name
        else "${builtins.head parts} \"${concatStringsSep "." (builtins.tail parts)}\"";
      value = v:
        let s = mkValueStringDefault { } v;
        in if isString v then lib.escape [ "\\" ] (lib.replaceStrings [ "\n" "\t" "\"" ] [ "\\n" "\\t" "\\\"" ] s) else s;
      line = name: v: "\t${name} = " + (if isString v then "\"${value v}\"" else value v);
      # an attribute that is a set is a subsection
      flat = path: values:
        let
          subs = lib.filterAttrs (_: v: isAttrs v && !lib.isDerivation v) values;
          own = builtins.removeAttrs values (builtins.attrNames subs);
        in lib.optionalAttrs (own != { }) { ${path} = own; }
        // lib.concatMapAttrs (name: flat "${path}.${name}") subs;
      sections = lib.concatMapAttrs flat set;
    in toINI { mkSectionName = section; mkKeyValue = line; listsAsDuplicateKeys = true; } sections;

  mkDconfKeyValue = mkKeyValueDefault { mkValueString = v: toString (lib.gvariant.mkValue v); } "=";
  toDconfINI = toINI { mkKeyValue = mkDconfKeyValue; };

  toDhall = { }@options: v:
    let text = toDhall options; in
    if isAttrs v then "{ ${lib.concatMapAttrsStringSep ", " (name: x: "${name} = ${text x}") v} }"
    else if isList v then "[ ${lib.concatMapStringsSep ", " text v} ]"
    else if isInt v then "${lib.optionalString (v >= 0) "+"}${toString v}"
    else if isBool v then (if v then "True" else "False")
    else if isFunction v then throw "generators.toDhall: a function cannot be written"
    else if v == null then throw "generators.toDhall: null cannot be written"
    else builtins.toJSON v;

  toJSON = { }: builtins.toJSON;
  toYAML = toJSON; # JSON is YAML

  # For people: the value as one would write it. Functions and packages are
  # named, not shown.
  toPretty = { allowPrettyValues ? false, multiline ? true, indent ? "" }:
    let
      go = indent: v:
        let
          open = if multiline then "\n${indent}  " else " ";
          close = if multiline then "\n${indent}" else " ";
          deeper = go (indent + "  ");
        in
        if isInt v || isFloat v then builtins.toJSON v
        else if isBool v then lib.boolToString v
        else if v == null then "null"
        else if isString v then prettyString indent v
        else if isPath v then toString v
        else if isList v then
          if v == [ ] then "[ ]"
          else "[" + open + lib.concatMapStringsSep open deeper v + close + "]"
        else if isFunction v then
          let
            args = lib.functionArgs v;
            shown = concatStringsSep ", " (lib.mapAttrsToList (name: opt: if opt then "${name}?" else name) args);
          in if args == { } then "<function>" else "<function, args: {${shown}}>"
        else if isAttrs v then
          if allowPrettyValues && v ? __pretty && v ? val then v.__pretty v.val
          else if v == { } then "{ }"
          else if lib.isDerivation v then "<derivation ${v.name or "???"}>"
          else "{" + open + concatStringsSep open
            (lib.mapAttrsToList (name: x: "${lib.strings.escapeNixIdentifier name} = ${deeper x};") v) + close + "}"
        else "<${typeOf v}>";
      prettyString = indent: s:
        let
          one = "\"" + lib.escape [ "\"" "\\" "\${" ] s + "\"";
          lines = map (lib.replaceStrings [ "\${" "''" ] [ "''\${" "'''" ]) (lib.splitString "\n" s);
          sep = "\n${indent}  ";
        in
        if multiline && builtins.length lines > 1
        then "''" + sep + concatStringsSep sep (lib.init lines)
          + (if lib.last lines == "" then "\n${indent}" else sep + lib.last lines) + "''"
        else lib.replaceStrings [ "\n" ] [ "\\n" ] one;
    in go indent;

  withRecursion = { depthLimit, throwOnDepthLimit ? true }:
    let
      limited = depth: v:
        if depth <= depthLimit then v
        else if throwOnDepthLimit then throw "withRecursion: deeper than ${toString depthLimit}"
        else "<unevaluated>";
      kept = [ "__functor" "__functionArgs" "__toString" "__pretty" ];
      go = depth: v:
        let next = x: go (depth + 1) (limited (depth + 1) x); in
        if isAttrs v then builtins.mapAttrs (name: x: if builtins.elem name kept then x else next x) v
        else if isList v then map next v
        else limited (depth + 1) v;
    in go 0;

  toLua = { multiline ? true, indent ? "", asBindings ? false }@args: v:
    let
      value = toLua (args // { asBindings = false; });
      wrong = builtins.filter (name: builtins.match "[[:alpha:]_][[:alnum:]_]*(\\.[[:alpha:]_][[:alnum:]_]*)*" name == null) (builtins.attrNames v);
      inner = indent + lib.optionalString multiline "  ";
      sep = if multiline then "\n${inner}" else " ";
      end = if multiline then "\n${indent}" else " ";
      deeper = toLua (args // { indent = inner; });
      block = items: if items == [ ] then "{}" else "{" + sep + concatStringsSep ("," + sep) items + end + "}";
    in
    if asBindings then
      if wrong != [ ] then throw "generators.toLua: these are no names of variables: ${toPretty { multiline = false; } wrong}"
      else lib.concatStrings (lib.mapAttrsToList (name: x: "${indent}${name} = ${value x}\n") v)
    else if v == null then "nil"
    else if isInt v || isFloat v || isBool v || isString v || isPath v then builtins.toJSON (if isPath v then toString v else v)
    else if isList v then block (map deeper v)
    else if lib.isDerivation v then "\"${toString v}\""
    else if isAttrs v then
      if v._type or null == "lua-inline" then "(${v.expr})"
      else block (lib.mapAttrsToList (name: x: "[${builtins.toJSON name}] = ${deeper x}") v)
    else throw "generators.toLua: a ${typeOf v} cannot be written";
  mkLuaInline = expr: { _type = "lua-inline"; inherit expr; };

  toPlist = { escape ? false }: v:
    let
      text = if escape then lib.escapeXML else x: x;
      tag = name: body: "<${name}>${body}</${name}>";
      block = indent: name: lines: "${indent}<${name}>\n${concatStringsSep "\n" lines}\n${indent}</${name}>";
      go = indent: v:
        if v == null then ""
        else if isBool v then "${indent}<${lib.boolToString v}/>"
        else if isInt v then indent + tag "integer" (toString v)
        else if isFloat v then indent + tag "real" (toString v)
        else if isList v then block indent "array" (map (go (indent + "\t")) v)
        else if isAttrs v then
          block indent "dict" (lib.concatLists (lib.mapAttrsToList (name: x: [ "${indent}\t${tag "key" (text name)}" (go (indent + "\t") x) ])
            (lib.filterAttrs (name: x: name != "_module" && x != null) v)))
        else indent + tag "string" (text (toString v));
    in ''
      <?xml version="1.0" encoding="UTF-8"?>
      <!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
      <plist version="1.0">
      ${go "" v}
      </plist>'';
}
