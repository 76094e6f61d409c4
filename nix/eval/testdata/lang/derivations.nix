# A derivation is a set; only its paths are not to be had.
let
  d = derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; };
  fake = n: { type = "derivation"; outPath = "/x"; inherit n; };
in
{
  names = builtins.attrNames d;
  same = d.dev.name;
  equal = [ (fake 1 == fake 2) (fake 1 == { type = "derivation"; outPath = "/y"; }) ];
  string = "${fake 1}/bin";
  xml = builtins.toXML { d = fake 1; e = fake 2; };
}
