builtins.stringLength (builtins.toJSON (builtins.genList (i: { name = "n${toString i}"; value = [ i (i + 1) ]; }) 20000))
