builtins.length (builtins.filter (x: x > 10) (map (x: x + 1) (builtins.genList (x: x) 1000000)))
