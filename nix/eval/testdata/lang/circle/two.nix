import ./one.nix
