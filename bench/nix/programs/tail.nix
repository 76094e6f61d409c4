let loop = n: a: if n == 0 then a else loop (n - 1) (a + n); in builtins.foldl' (a: i: a + loop 1000 0) 0 (builtins.genList (i: i) 1000)
