let
  s = { a.b.c = 1; };
  loop = n: acc: if n == 0 then acc else loop (n - 1) (acc + s.a.b.c + (s.a.d or 0));
in
builtins.foldl' (a: x: a + loop 100 0) 0 (builtins.genList (x: x) 4000)
