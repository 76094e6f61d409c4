lib: with lib; let
  known = {
    a = fullDepEntry "text a" [ "b" "c" ];
    b = noDepEntry "text b";
    c = stringAfter [ "b" ] "text c";
    d = packEntry [ "a" "c" ];
  };
in {
  list = map (textClosureList known) [ [ ] [ "b" ] [ "a" ] [ "d" "b" ] [ "c" "a" ] [ "b" "b" ] ];
  inline = textClosureList known [ (fullDepEntry "mine" [ "c" ]) "b" ];
  map = [ (textClosureMap (s: "<${s}>") known [ "a" ]) (textClosureMap id known [ ]) ];
  entries = known;
  unknown = (builtins.tryEval (textClosureList { x = fullDepEntry "t" [ ]; } [ "x" ])).value;
  sub = builtins.attrNames stringsWithDeps;
}
