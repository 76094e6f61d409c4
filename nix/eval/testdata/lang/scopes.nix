let
  a = "let";
  s = { a = "with"; b = "with"; c = { d = "nested"; }; };
in
rec {
  lexical = with s; a;
  dynamic = with s; b;
  inner = with s; with c; d;
  shadow = with { x = 1; }; with { x = 2; }; x;
  later = earlier;
  earlier = "rec";
  inherited = { inherit a; inherit (s) b; };
  dyn.${"x" + "y"} = 1;
  dyn.z = 2;
}
