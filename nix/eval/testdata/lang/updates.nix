# The same update again and again, with sets that are small and big.
let
  step = acc: x: acc // { a = x; n.${toString x} = x; } // (if x > 5 then { b = x; } else { });
  big = builtins.listToAttrs (builtins.genList (i: { name = "k${toString i}"; value = i; }) 200);
  range = builtins.genList (x: x) 10;
in
{
  folded = builtins.foldl' step { b = 0; z = 1; } range;
  same = map (x: { a = x; c = 1; } // { b = 2; c = x; d = 3; }) [ 1 2 3 ];
  places = map (s: (builtins.unsafeGetAttrPos "c" s).column) (map (x: { a = x; c = 1; } // { b = 2; c = x; }) [ 1 2 3 ]);
  looked = builtins.foldl' (sum: i: sum + big.${"k${toString i}"}) 0 (builtins.genList (x: x) 200);
  missing = builtins.length (builtins.filter (i: big ? ${"x${toString i}"}) (builtins.genList (x: x) 200));
  middle = builtins.attrNames (builtins.intersectAttrs big ({ k5 = 1; k7 = 2; x = 3; } // { k6 = 0; }));
  few = builtins.attrNames (builtins.intersectAttrs { k5 = 1; nope = 2; } big);
  wide = builtins.length (builtins.attrNames (big // { k3 = 1; new = 2; } // { a = 1; zz = 2; }));
  replaced = (big // { k3 = "new"; }).k3;
}
