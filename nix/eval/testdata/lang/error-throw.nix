# fails: the message of a library, without its colors
let
  esc = builtins.fromJSON ''"\u001b"'';
  mkPort = p: if p > 65535 then throw "${esc}[31mport ${toString p}${esc}[0m is too big" else p;
in
{ a.b = mkPort 70000; }.a.b
