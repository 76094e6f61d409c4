# Calling functions with what they ask for, and overriding what they were
# called with.
{ lib, ... }:
rec {
  makeOverridable = f:
    lib.mirrorFunctionArgs f (args:
      let
        result = f args;
        again = new: makeOverridable f (args // (if lib.isFunction new then new args else new));
        mapped = g: makeOverridable (lib.mirrorFunctionArgs f (a: g (f a))) args;
      in
      if builtins.isAttrs result then
        result // {
          override = again;
          overrideDerivation = g: mapped (lib.flip overrideDerivation g);
        } // lib.optionalAttrs (result ? overrideAttrs) {
          overrideAttrs = g: mapped (x: x.overrideAttrs g);
        }
      else if lib.isFunction result then
        lib.setFunctionArgs result (lib.functionArgs result) // { override = again; }
      else result);
  overrideDerivation = drv: f: drv // f drv;

  callPackageWith = scope: fn: args:
    let
      f = if lib.isFunction fn then fn else import fn;
      wanted = lib.functionArgs f;
      given = builtins.intersectAttrs wanted scope // args;
      missing = lib.filterAttrs (name: optional: !optional && !(given ? ${name})) wanted;
    in
    if missing == { } then makeOverridable f given
    else throw "callPackageWith: no value for the argument ${builtins.head (builtins.attrNames missing)}";
  callPackagesWith = scope: fn: args:
    let
      f = if lib.isFunction fn then fn else import fn;
      given = builtins.intersectAttrs (lib.functionArgs f) scope // args;
      all = f given;
    in builtins.mapAttrs (name: _: makeOverridable (a: (f a).${name}) given) (builtins.removeAttrs all [ "recurseForDerivations" ]);

  makeScope = newScope: f:
    let
      self = f self // {
        newScope = extra: newScope (self // extra);
        callPackage = self.newScope { };
        overrideScope = g: makeScope newScope (lib.extends g f);
        packages = f;
      };
    in self;
  extendDerivation = condition: passthru: drv: drv // passthru // { outPath = assert condition; drv.outPath; };
  lazyDerivation = { derivation, meta ? null, passthru ? { }, ... }:
    derivation // lib.optionalAttrs (meta != null) { inherit meta; } // passthru;
  hydraJob = drv: drv;
}
