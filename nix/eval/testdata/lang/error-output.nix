# fails: what a package is made of does not exist yet
builtins.readFile (builtins.appendContext "/nix2gpu/packages/hello" { "package:hello" = { path = true; }; })
