builtins.head (builtins.sort builtins.lessThan (builtins.genList (i: builtins.bitXor (i * 7919) 65535) 100000))
