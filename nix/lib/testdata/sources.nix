lib: with lib; with lib.sources; {
  urls = map urlToName [ "https://github.com/a/b.git" "git@github.com:a/c.git" "https://x.org/d-1.0.tar.gz" "https://x.org/e/" "f.tbz2" "https://x.org/g.tar.xz.zip" "h" ];
  revs = map shortRev [ "0123456789abcdef" "v1.2.3" "release-2.0" "refs/tags/1.5-rc1" "main" "abc" "a/b/v2" "openssl_3.0" ];
  tags = [ (revOrTag null "t") (revOrTag "r" null) (revOrTag "r" "t") (revOrTag null null) ];
  named = map (k: repoRevToName k "https://github.com/a/b.git" "v1.0" "fix") [ "source" "versioned" "full" ];
  namedNull = [ (repoRevToName "full" "x/y" null null) (repoRevToName "versioned" "x/y" null "s") (builtins.tryEval (repoRevToName "other" "a" "b" "c")).success ];
  context = [ (pathHasContext "a") (canCleanSource /x) (canCleanSource { _isLibCleanSourceWith = true; }) ];
  filters = map (f: cleanSourceFilter f.p f.t) [
    { p = "/a/.git"; t = "directory"; } { p = "/a/.gitignore"; t = "regular"; } { p = "/a/.jj"; t = "directory"; } { p = "/a/CVS"; t = "regular"; } { p = "/a/x~"; t = "regular"; } { p = "/a/.swp"; t = "regular"; }
    { p = "/a/.x.swp"; t = "regular"; } { p = "/a/x.o"; t = "regular"; } { p = "/a/x.so"; t = "regular"; } { p = "/a/result-1"; t = "symlink"; } { p = "/a/result"; t = "regular"; } { p = "/a/s"; t = "unknown"; }
  ];
  clean = let s = cleanSourceWith { src = /a; filter = p: t: t == "regular"; name = "n"; }; u = cleanSourceWith { src = s; filter = p: t: p != "/a/b"; }; in
    [ s.name u.name (toString u.origSrc) (u.filter "/a/b" "regular") (u.filter "/a/c" "regular") (u.filter "/a/c" "directory") ];
  traced = let t = trace (cleanSourceWith { src = /a; filter = p: y: y == "regular"; name = "n"; }); in [ t.name (t.filter "/a/x" "regular") (t.filter "/a/x" "directory") ];
  globs = map (g: map (f: (sourceByGlobs /r [ g ]).filter "/r/${f.p}" f.t) [
    { p = "a"; t = "directory"; } { p = "a/b.c"; t = "regular"; } { p = "a/d/b.c"; t = "regular"; } { p = "b.c"; t = "regular"; } { p = "x/y"; t = "directory"; } { p = "a/l"; t = "symlink"; }
  ]) [ "a/*.c" "**/*.c" "a/**" "a" "*" "b.?" "a/*/b.*" "**" ];
  regexes = map (f: (sourceByRegex /r [ "a" "a/.*\\.c" ]).filter "/r/${f}" "regular") [ "a" "a/x.c" "b" "a/x.h" ];
  suffixes = map (f: (sourceFilesBySuffices /r [ ".c" ".h" ]).filter f.p f.t) [ { p = "/r/x.c"; t = "regular"; } { p = "/r/x.o"; t = "regular"; } { p = "/r/d"; t = "directory"; } ];
  store = map path.hasStorePathPrefix [ /nix/store/nvl9ic0pj1fpyln3zaqrf4cclbqdfn1j-foo /nix/store/nvl9ic0pj1fpyln3zaqrf4cclbqdfn1j-foo/bar /nix/store /nix/store/short /home ];
}
