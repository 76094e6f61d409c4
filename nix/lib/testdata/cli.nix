lib: with lib.cli; let
  set = { a = "x"; long = 1; flag = true; off = false; f = true; none = null; list = [ 1 "b c" true false null ]; l = [ "p" "q" ]; };
  fmt = name: { option = "-${name}"; sep = ":"; explicitBool = false; };
in {
  gnu = [ (toCommandLineGNU { } set) (toCommandLineGNU { explicitBool = true; } { a = true; bb = false; }) (toCommandLineGNU { isLong = n: true; } { a = 1; }) (toCommandLineGNU { formatArg = v: "<${toString v}>"; } { a = 1; bb = "x"; }) ];
  gnuShell = toCommandLineShellGNU { } set;
  own = [ (toCommandLine fmt set) (toCommandLine (n: { option = n; sep = null; explicitBool = true; formatArg = builtins.toJSON; }) { a = true; b = [ 1 false ]; c = "s"; d = null; }) ];
  ownShell = toCommandLineShell fmt { a = "x y"; };
  old = [ (toGNUCommandLine { } set) (toGNUCommandLine { optionValueSeparator = "="; } set) (toGNUCommandLineShell { } { d = "a b"; }) ];
}
