let
  numbers = builtins.genList (i: builtins.bitXor (i * 7919) 65535) 100000;
in
builtins.head (builtins.sort builtins.lessThan numbers) + builtins.head (builtins.sort (a: b: a > b) numbers)
