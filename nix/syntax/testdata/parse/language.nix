1 + 2 * 3 - 4 / 5
---
a: b: a.b or c.d + e
---
{ a ? 1, b, ... }@c: with a; assert b; if c then d else e
---
c@{ x, y ? x }: x
---
let inherit (a) b c; inherit d; x.y.z = 1; x.w = 2; in rec { p = q; q = b; }
---
let { a = 1; body = a; }
---
{ a.b = 1; a = { c = 2; }; "d e" = 3; ${f} = 4; "${g}h" = 5; }
---
[ 1 2.5 .5 (f x) a.b { } [ ] ./x <y/z> http://a.b/c ~/q ]
---
./a/${b}/c.nix
---
./${b}-c
---
"a ${b} $c $${d} \${e} \n ${f "g ${h}"}"
---
''
  a
    ${b}
  c $d $${e} ''${f} ''\n '''
''
---
''
  x = ${y}
    z'
   ''
---
''  a

     b  ''
---
!a && b || c -> d == e && g != f
---
(a != b) == (c < d && e <= f && g > h && i >= j)
---
a // b // c ++ d ++ e
---
-a + -b - -c
---
!a.b ? c
---
a ? b.c && a ? "d".${e}
---
f (-1) x.y or z { a = 1; } [ 1 ] "s" ./p
---
map or [ 1 ]
---
x: y: { inherit x y; z = { inherit (x) p q; r = 1; }; }
---
{ }: { ... }: { a, }: 1
---
{ a = { inherit (x) p; }; a.b = 2; a.c.d = 3; a.c.e = 4; }
---
''''$x '''' ${a}''
