# What is not needed is not computed.
let
  no = throw "computed";
  list = map (x: no) [ 1 2 3 ];
  set = { a = no; b = 1; };
in
{
  length = builtins.length list;
  names = builtins.attrNames (set // { c = no; });
  select = set.b;
  mapAttrs = builtins.attrNames (builtins.mapAttrs (n: v: no) set);
  zip = builtins.attrNames (builtins.zipAttrsWith (n: vs: no) [ set set ]);
  arg = (x: 1) no;
  default = ({ a ? no }: 2) { };
  fold = builtins.foldl' (acc: x: x) no [ 1 2 ];
  and = false && no;
  with' = with no; 1;
  replace = builtins.replaceStrings [ "a" "z" ] [ "b" no ] "abc";
  functor = { __functor = self: x: self.y; y = 3; } no;
  toList = builtins.length (builtins.attrValues set);
}
