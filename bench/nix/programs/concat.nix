let
  pairs = builtins.concatLists (builtins.genList (i: [ i (i + 1) ]) 300000);
  grown = builtins.foldl' (a: i: a ++ [ i ]) [ ] (builtins.genList (i: i) 4000);
in
builtins.length pairs + builtins.length (builtins.concatMap (i: [ i i ]) pairs) + builtins.length grown
