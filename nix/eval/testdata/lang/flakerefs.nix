let
  inherit (builtins) flakeRefToString map parseFlakeRef;
  rev = "0123456789abcdef0123456789abcdef01234567";
  good = [
    "nixpkgs" "nixpkgs/nixos-25.05" "nixpkgs/${rev}" "nixpkgs/nixos-25.05/${rev}" "flake:nixpkgs/unstable"
    "github:NixOS/nixpkgs/23.05?dir=lib" "github:o/r" "github:o/r/${rev}" "github:o/r/feature/x" "github:o/r?ref=main&host=git.example.com"
    "gitlab:group%2Fsub/repo" "sourcehut:~user/repo/branch"
    "path:/a/b/../c" "path:./sub" "/abs/dir" "path:/a?lastModified=12&narHash=sha256-abc"
    "git+https://example.com/r.git?ref=main&rev=${rev}&submodules=1&shallow=1" "git+file:///srv/r" "git://example.com/r?dir=sub" "git+ssh://git@example.com/r?x=y"
    "https://example.com/a.tar.gz" "https://example.com/a.txt" "tarball+https://example.com/a?x=1&narHash=sha256-abc" "file+https://example.com/a.zip"
    "hg+https://example.com/r?ref=default"
  ];
in {
  parsed = map parseFlakeRef good;
  again = map (ref: flakeRefToString (parseFlakeRef ref)) good;
  # The text may differ, but not what it stands for.
  same = map (ref: parseFlakeRef (flakeRefToString (parseFlakeRef ref)) == parseFlakeRef ref) good;
  written = map flakeRefToString [
    { dir = "lib"; owner = "NixOS"; ref = "23.05"; repo = "nixpkgs"; type = "github"; }
    { type = "path"; path = "/a b"; lastModified = 3; }
    { type = "git"; url = "https://e/r"; submodules = true; shallow = false; }
  ];
}
