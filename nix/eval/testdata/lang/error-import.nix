# fails: a file that does not exist
{ config = import ./missing.nix; }.config
