let
  d = name: derivation { inherit name; builder = "b"; system = "s"; };
in
{
  q = 7;
  place = __curPos.file;
  one = d "a";
  lists = [ (d "a") [ (d "b") ] { c = d "c"; l = [ (d "no") ]; } ];
  mixed = [ 1 (d "a") ];
  inner = { a = [ (d "no") ]; b = { c = d "no"; }; e = { recurseForDerivations = true; f = d "f"; }; };
  twice = rec { a = d "a"; b = a; c = d "a"; };
  functions = { f = { x }: d x; g = x: d x; h = d "h"; };
  needs = { x }: d x;
  odd = { "1a" = d "no"; "b-c" = d "b"; "d.e" = d "no"; };
  dev = derivation { name = "a"; builder = "b"; system = "s"; outputs = [ "dev" "out" ]; };
}
