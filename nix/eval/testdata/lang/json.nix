let
  doc = { int = 1; float = 1.0; big = 1.0e100; nested = [ { } [ ] null true ]; text = "ä\"\n\u0007"; pkg = { outPath = "/out"; }; };
in
{
  json = builtins.toJSON doc;
  back = builtins.fromJSON (builtins.toJSON doc);
  toml = builtins.fromTOML ''
    title = "x"
    [owner]
    names = ["a", "b"]
    ratio = 0.5
  '';
}
