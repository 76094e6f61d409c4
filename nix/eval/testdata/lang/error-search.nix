# fails: not in the search path
import <nixpkgs>
