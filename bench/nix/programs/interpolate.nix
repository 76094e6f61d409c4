builtins.stringLength (builtins.concatStringsSep "\n" (builtins.genList (i: "server ${toString i} listens at 127.0.0.1:${toString (i + 1024)};") 200000))
