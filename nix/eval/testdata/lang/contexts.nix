# A path in a string becomes a source; what is made of the string refers to it, too.
let
  file = "${./arithmetic.nix}";
  names = s: map baseNameOf (builtins.attrNames (builtins.getContext s));
in
{
  none = names (toString ./arithmetic.nix);
  source = names file;
  substring = names (builtins.substring 0 0 file);
  concat = names ("x" + file + "y");
  sep = names (builtins.concatStringsSep "," [ "a" file ]);
  json = names (builtins.toJSON { a = [ file ]; });
  replaced = names (builtins.replaceStrings [ "x" ] [ file ] "axb");
  discarded = names (builtins.unsafeDiscardStringContext file);
  toString = names (toString [ file ]);
  set = names ({ outPath = ./arithmetic.nix; } + "x"); # only a string makes a source
  added = names ("x" + { outPath = ./arithmetic.nix; });
  base = names (baseNameOf file);
}
