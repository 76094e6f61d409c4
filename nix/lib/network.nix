# Addresses; lib.network only, beside mkEUI64Suffix.
{ lib, ... }:
let
  inherit (builtins) elemAt length match;

  # The groups of an address, as text; :: stands for as many zeros as are missing.
  groups = address:
    let
      fail = throw "network.ipv6: ${builtins.toJSON address} is not an IPv6 address";
      halves = lib.splitString "::" address;
      of = half: if half == "" then [ ] else lib.splitString ":" half;
      before = of (elemAt halves 0);
      after = of (elemAt halves 1);
      zeros = 8 - length before - length after;
    in
    if match "[0-9A-Fa-f:]+" address == null then fail
    else if length halves == 1 then (if length before == 8 then whole fail before else fail)
    else if length halves > 2 || zeros < 1 then fail
    else whole fail (before ++ lib.genList (_: "0") zeros ++ after);
  whole = fail: parts: if builtins.elem "" parts then fail else parts;

  # A group as it is printed: small letters, and no zeros in front.
  group = address: text:
    let n = lib.fromHexString text; in
    if n > 65535 then throw "network.ipv6: ${text} in ${builtins.toJSON address} is more than ffff"
    else lib.toLower (lib.toHexString n);
in
{
  ipv6 = {
    fromString = text:
      let
        parts = lib.splitString "/" text;
        address = elemAt parts 0;
        bits = lib.toInt (elemAt parts 1);
      in
      {
        address = lib.concatMapStringsSep ":" (group address) (groups address);
        prefixLength =
          if length parts == 1 then 128
          else if length parts > 2 then throw "network.ipv6: ${builtins.toJSON text} has more than one /"
          else if bits < 1 || bits > 128 then throw "network.ipv6: the prefix of ${builtins.toJSON text} must be from 1 to 128"
          else bits;
      };
    # The second half of an address, from the hardware address of a network card.
    mkEUI64Suffix = mac:
      let
        octet = "([0-9A-Fa-f]{2})";
        octets = match (lib.concatStringsSep "[-:.]?" (lib.genList (_: octet) 6)) mac;
        at = elemAt octets;
      in
      if octets == null then throw "network.ipv6.mkEUI64Suffix: ${builtins.toJSON mac} is not a MAC address: write six octets, as in 66:75:63:6b:20:75"
      else lib.toLower (lib.concatStringsSep ":" [
        # the bit that says that the address is unique in the world is turned over
        (lib.toHexString (builtins.bitXor 512 (lib.fromHexString (at 0 + at 1))))
        "${at 2}ff"
        "fe${at 3}"
        (at 4 + at 5)
      ]);
  };
}
