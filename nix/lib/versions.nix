# Parts of version numbers; lib.versions only.
{ lib, ... }:
rec {
  inherit (builtins) compareVersions splitVersion;
  major = v: builtins.elemAt (splitVersion v) 0;
  minor = v: builtins.elemAt (splitVersion v) 1;
  patch = v: builtins.elemAt (splitVersion v) 2;
  majorMinor = v: lib.concatStringsSep "." (lib.take 2 (splitVersion v));
  pad = n: v:
    let
      # only the numbers are padded: 1.3-rc1 is 1.3.0-rc1
      m = builtins.match "([0-9.]*)(.*)" v;
      numbers = lib.take n (splitVersion (builtins.elemAt m 0));
      zeros = lib.lists.replicate (n - builtins.length numbers) "0";
    in lib.concatStringsSep "." (numbers ++ zeros) + builtins.elemAt m 1;
}
