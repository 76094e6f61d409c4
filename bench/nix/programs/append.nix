builtins.stringLength (builtins.foldl' (a: b: a + "x") "" (builtins.genList (x: x) 30000))
