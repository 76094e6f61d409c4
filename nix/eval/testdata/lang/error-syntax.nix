# fails: a file with a mistake in it
import ./broken/default.nix
