# Command lines from sets; lib.cli only.
{ lib, ... }:
let
  inherit (builtins) isBool isList stringLength;
  write = lib.generators.mkValueStringDefault { };
in
rec {
  # format says of an option how it is written: { option; sep; explicitBool; formatArg; }.
  toCommandLine = format: set:
    let
      words = name: v: word (format name) v;
      word = { option, sep, explicitBool, formatArg ? write }: v:
        if v == null || v == false && !explicitBool then [ ]
        else if v == true && !explicitBool then [ option ]
        else if sep == null then [ option (formatArg v) ]
        else [ "${option}${sep}${formatArg v}" ];
      all = name: v:
        if name == "" then throw "cli.toCommandLine: an option must have a name"
        else if isList v then builtins.concatMap (words name) v
        else words name v;
    in lib.concatLists (lib.mapAttrsToList all set);
  toCommandLineShell = format: set: lib.escapeShellArgs (toCommandLine format set);

  # --long=value and -lvalue
  toCommandLineGNU = { isLong ? (name: stringLength name > 1), explicitBool ? false, formatArg ? write }:
    toCommandLine (name: {
      option = if isLong name then "--${name}" else "-${name}";
      sep = if isLong name then "=" else "";
      inherit explicitBool formatArg;
    });
  toCommandLineShellGNU = options: set: lib.escapeShellArgs (toCommandLineGNU options set);

  # The older form: a value is a word of its own.
  toGNUCommandLine =
    { mkOptionName ? (name: if stringLength name == 1 then "-${name}" else "--${name}")
    , mkBool ? (name: v: lib.optional v (mkOptionName name))
    , mkList ? (name: v: lib.concatMap (mkOption name) v)
    , mkOption ? (name: v:
        if v == null then [ ]
        else if optionValueSeparator == null then [ (mkOptionName name) (write v) ]
        else [ "${mkOptionName name}${optionValueSeparator}${write v}" ])
    , optionValueSeparator ? null
    }: set:
    let
      render = name: v:
        if isBool v then mkBool name v
        else if isList v then mkList name v
        else mkOption name v;
    in lib.concatLists (lib.mapAttrsToList render set);
  toGNUCommandLineShell = options: set: lib.escapeShellArgs (toGNUCommandLine options set);
}
