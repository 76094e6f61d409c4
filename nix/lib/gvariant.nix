# Values of GLib's GVariant, as dconf reads them; lib.gvariant only.
{ lib, ... }:
let
  inherit (builtins) concatStringsSep head isBool isFloat isInt isList isString;

  make = type: show: value: { _type = "gvariant"; inherit type value; __toString = show; };
  # Text that names the type: @n 5
  named = body: self: "@${self.type} ${body self.value}";
  plain = self: toString self.value;
  list = values: concatStringsSep "," (map toString values);

  # The whole numbers that one cannot tell by their look; null is no bound.
  number = name: type: min: max: { inherit name type min max; };
in
rec {
  type = {
    arrayOf = t: "a${t}";
    maybeOf = t: "m${t}";
    tupleOf = ts: "(${lib.concatStrings ts})";
    dictionaryEntryOf = key: value: "{${key}${value}}";
    string = "s";
    boolean = "b";
    uchar = "y";
    int16 = "n";
    uint16 = "q";
    int32 = "i";
    uint32 = "u";
    int64 = "x";
    uint64 = "t";
    double = "d";
    variant = "v";
  };
  intConstructors = [
    (number "mkInt32" type.int32 (-2147483648) 2147483647)
    (number "mkUint32" type.uint32 0 4294967295)
    (number "mkInt64" type.int64 null null)
    (number "mkUint64" type.uint64 0 null)
    (number "mkInt16" type.int16 (-32768) 32767)
    (number "mkUint16" type.uint16 0 65535)
    (number "mkUchar" type.uchar 0 255)
  ];

  isGVariant = v: v._type or "" == "gvariant";
  mkValue = v:
    if isBool v then mkBoolean v
    else if isFloat v then mkDouble v
    else if isString v then mkString v
    else if isList v then mkArray v
    else if isGVariant v then v
    else if isInt v then
      throw "gvariant.mkValue: ${toString v} has no type of its own: write ${
        lib.concatMapStringsSep " or " (c: c.name)
          (builtins.filter (c: (c.min == null || c.min <= v) && (c.max == null || v <= c.max)) intConstructors)}"
    else if builtins.isAttrs v then
      throw "gvariant.mkValue: a set has no type of its own: write a list of gvariant.mkDictionaryEntry"
    else throw "gvariant.mkValue: a ${builtins.typeOf v} cannot be written";

  mkArray = xs:
    let
      values = map mkValue xs;
      first = (head values).type;
    in
    if xs == [ ] then throw "gvariant.mkArray: an empty list has no type: write gvariant.mkEmptyArray"
    else if !(builtins.all (v: v.type == first) values) then
      throw "gvariant.mkArray: the values of a list must have one type, not ${concatStringsSep " and " (lib.unique (map (v: v.type) values))}"
    else make (type.arrayOf first) (named (vs: "[${list vs}]")) values;
  mkEmptyArray = of: make (type.arrayOf of) (named (_: "[]")) [ ];
  mkTuple = xs: let values = map mkValue xs; in
    make (type.tupleOf (map (v: v.type) values)) (named (vs: "(${list vs})")) values;
  mkDictionaryEntry = name: value:
    let k = mkValue name; v = mkValue value; in
    make (type.dictionaryEntryOf k.type v.type) (named (_: "{${k},${v}}")) { inherit name value; };
  mkVariant = v: make type.variant (self: "<${toString self.value}>") (mkValue v);

  mkMaybe = of: make (type.maybeOf of) (self: if self.value == null then "@${self.type} nothing" else "just ${toString self.value}");
  mkNothing = of: mkMaybe of null;
  mkJust = v: let value = mkValue v; in mkMaybe value.type value;

  mkBoolean = make type.boolean (self: lib.boolToString self.value);
  mkString = make type.string (self: "'${lib.replaceStrings [ "'" "\\" "\n" ] [ "\\'" "\\\\" "\\n" ] self.value}'");
  mkObjectpath = make type.string (self: "objectpath '${lib.escape [ "'" ] self.value}'");
  mkUchar = make type.uchar (named toString);
  mkInt16 = make type.int16 (named toString);
  mkUint16 = make type.uint16 (named toString);
  mkInt32 = make type.int32 plain;
  mkUint32 = make type.uint32 (named toString);
  mkInt64 = make type.int64 (named toString);
  mkUint64 = make type.uint64 (named toString);
  mkDouble = make type.double plain;
}
