lib: with lib.network.ipv6; let
  try = s: let r = builtins.tryEval (builtins.deepSeq (fromString s) (fromString s)); in if r.success then r.value else false;
in {
  good = map try [
    "2001:DB8::ffff/64" "::" "::1" "1::" "1:2:3:4:5:6:7:8" "1:2:3:4:5:6:7:8/128" "::ffff:0:1/1" "fe80::0001:00aB"
    "1::8" "0:0:0:0:0:0:0:0" "a::b:0:c/32" "2:3:4:5:6:7:8::" "::2:3:4:5:6:7:8"
  ];
  bad = map try [
    "" ":" ":::" "1" "1:2:3" "1::2::3" "1:2:3:4:5:6:7:8:9" "1:2:3:4:5:6:7::8:9" "g::" "::1/0" "::1/129" "::1/64/3" "12345::" "1:2:3:4:5:6:7:"
    ":2:3:4:5:6:7:8" "::1:" ":1::" "1.2.3.4" "::ffff:1.2.3.4" "1:2:3:4::5:6:7:8" "::1:2:3:4:5:6:7:8"
  ];
  eui = map mkEUI64Suffix [ "66:75:63:6B:20:75" "66-75-63-6b-20-75" "66.75.63.6b.20.75" "6675636b2075" "00:00:00:00:00:01" ];
  euiTop = lib.mkEUI64Suffix "02:0a:0b:0c:0d:0e";
  euiBad = map (m: (builtins.tryEval (mkEUI64Suffix m)).success) [ "" "66:75:63:6b:20" "66:75:63:6b:20:7g" "66:75:63:6b:20:75:00" ];
}
