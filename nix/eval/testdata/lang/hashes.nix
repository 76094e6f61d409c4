let
  sha = builtins.hashString "sha256" "abc";
  to = format: builtins.convertHash { hash = sha; hashAlgo = "sha256"; toHashFormat = format; };
in
{
  formats = map to [ "base16" "nix32" "base32" "base64" "sri" ];
  back = map (f: builtins.convertHash { hash = to f; hashAlgo = "sha256"; toHashFormat = "base16"; } == sha) [ "base16" "nix32" "base64" "sri" ];
  prefixed = builtins.convertHash { hash = "sha256:${to "nix32"}"; toHashFormat = "base16"; } == sha;
  file = builtins.hashFile "md5" ./imported/scoped.nix;
  placeholder = builtins.placeholder "out";
}
