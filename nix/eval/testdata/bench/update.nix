builtins.length (builtins.attrNames (builtins.foldl' (a: n: a // { ${"k" + toString n} = n; }) { } (builtins.genList (x: x) 2000)))
