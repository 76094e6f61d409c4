let
  set = {
    a = 1;
    b.c = 2;
  } // { d = 3; };
  at = name: s: let p = builtins.unsafeGetAttrPos name s; in if p == null then null else [ p.line p.column (baseNameOf p.file) ];
in
{
  a = at "a" set;
  c = at "c" set.b;
  d = at "d" set;
  mapped = at "a" (builtins.mapAttrs (n: v: v) set);
  computed = at "x" (builtins.listToAttrs [ { name = "x"; value = 1; } ]);
  none = at "zzz" set;
  here = __curPos.line;
}
