{ a = 1; } // import ./two.nix
