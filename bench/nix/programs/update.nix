let
  numbers = builtins.genList (x: x) 2000;
  grown = builtins.foldl' (a: n: a // { ${"k" + toString n} = n; }) { } numbers;
  small = builtins.foldl' (a: n: a // { x = n; y = a.x; }) { x = 0; y = 0; z = 1; } (builtins.genList (x: x) 200000);
in
builtins.length (builtins.attrNames grown) + small.x
