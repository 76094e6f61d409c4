let
  value = builtins.genList (i: { name = "n${toString i}"; value = [ i (i + 1) null true ]; text = "a \"quoted\" line\n"; }) 30000;
  text = builtins.toJSON value;
in
builtins.stringLength text + builtins.length (builtins.fromJSON text)
