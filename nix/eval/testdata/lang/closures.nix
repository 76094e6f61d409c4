# Functions of several arguments, applied to some of them.
let
  three = a: b: c: [ a b c ];
  two = three 1;
  shadow = x: x: x;
  mixed = a: { b, c ? a + b }: d: a + b + c + d;
in
[
  (two 2 3)
  (two 4 5)
  (three 1 2 3)
  (map (three 1 2) [ 3 4 ])
  (shadow 1 2)
  (mixed 1 { b = 2; } 4)
  (builtins.foldl' (a: b: c: a c + b) (x: x) [ 1 2 ] 10)
  (builtins.isFunction (three 1 2))
  (builtins.length (builtins.attrNames (builtins.functionArgs two)))
  ((two == two) || ([ two ] == [ two ]))
]
