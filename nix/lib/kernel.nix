# Settings of a Linux kernel; lib.kernel only.
{ lib, ... }:
let
  tristate = tristate: { inherit tristate; optional = false; };
in
{
  yes = tristate "y";
  no = tristate "n";
  module = tristate "m";
  unset = tristate null;
  freeform = value: { freeform = value; optional = false; };
  option = setting: setting // { optional = true; };
  whenHelpers = version: {
    whenAtLeast = from: lib.mkIf (lib.versionAtLeast version from);
    whenOlder = than: lib.mkIf (lib.versionOlder version than);
    whenBetween = from: than: lib.mkIf (lib.versionAtLeast version from && lib.versionOlder version than);
  };
}
