let
  lines = builtins.genList (i: "user${toString i}@host-${toString (i * 7)}.example.org:${toString (i + 1024)}") 20000;
  part = line: builtins.match "([a-z]+[0-9]+)@([a-z0-9.-]+):([0-9]+)" line;
  words = line: builtins.split "[@.:-]" line;
in
builtins.length (builtins.concatMap part lines) + builtins.length (builtins.concatMap words lines)
