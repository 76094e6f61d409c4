builtins.length (builtins.attrNames (import <lib>))
