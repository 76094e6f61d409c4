let f = n: if n == 0 then 0 else 1 + f (n - 1); in builtins.foldl' (a: i: a + f 9000) 0 (builtins.genList (i: i) 30)
