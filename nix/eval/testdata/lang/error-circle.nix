# fails: these files need each other.
import ./circle/one.nix
