let
  lib = import <lib>;
  names = map (i: "name-${toString i}") (lib.range 1 3000);
  set = lib.genAttrs names (name: { inherit name; size = lib.stringLength name; tags = lib.splitString "-" name; });
  large = lib.filterAttrs (name: value: value.size > 7) set;
  text = lib.concatStringsSep "\n" (lib.mapAttrsToList (name: value: "${lib.toUpper name} ${lib.concatStringsSep "," value.tags}") large);
  merged = lib.foldl' lib.recursiveUpdate { } (map (i: { a.${"b" + toString (lib.mod i 50)}.c.${toString i} = i; }) (lib.range 1 500));
  unique = lib.unique (map (i: lib.mod (i * 7) 200) (lib.range 1 3000));
in
lib.stringLength text + lib.length (lib.collect lib.isInt merged) + lib.length unique
  + lib.length (lib.naturalSort (lib.take 1000 names)) + lib.stringLength (lib.generators.toINI { } (lib.mapAttrs (n: v: { inherit (v) name size; }) (lib.filterAttrs (n: v: v.size < 9) set)))
