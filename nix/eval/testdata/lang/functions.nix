let
  add = { a, b ? a * 2, ... }@all: { sum = a + b; names = builtins.attrNames all; };
  compose = f: g: x: f (g x);
  fix = f: let x = f x; in x;
in
{
  defaults = add { a = 1; };
  extra = add { a = 1; b = 2; c = 3; };
  composed = compose (x: x + 1) (x: x * 2) 5;
  fixed = (fix (self: { a = 1; b = self.a + 1; })).b;
  partial = map (builtins.add 1) [ 1 2 ];
  args = builtins.functionArgs add;
}
