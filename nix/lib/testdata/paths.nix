lib: with lib; {
  inStore = map path.hasStorePathPrefix [ (/nix/store + "/0fb3ykw9r5hpayd05sr0cizwadzq1d8q-a") (/nix/store + "/0fb3ykw9r5hpayd05sr0cizwadzq1d8q-a/b") /nix/store/a /nix/store (/nix/store + "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9") (/. + "1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9/x") ];
  append = toString (path.append /a "b/c");
  hasPrefix = [ (path.hasPrefix /a /a/b) (path.hasPrefix /a /ab) (path.hasPrefix /a /a) (path.hasPrefix /. /x) ];
  removePrefix = [ (path.removePrefix /a /a/b/c) (path.removePrefix /a /a) ];
  split = (path.splitRoot /a/b).subpath;
  valid = map path.subpath.isValid [ "a" "./a" "" "/a" "../a" "a/../b" ];
  join = [ (path.subpath.join [ "foo" "bar/baz" ]) (path.subpath.join [ "./foo" "." "bar//./baz/" ]) (path.subpath.join [ ]) ];
  normalise = [ (path.subpath.normalise "foo//./bar/") (path.subpath.normalise ".") ];
  refused = map (x: (builtins.tryEval x).success) [
    (path.append "/foo" "bar") (path.append /foo /bar) (path.append /foo "") (path.append /foo "/bar") (path.append /foo "../bar")
    (path.removePrefix /foo/bar /foo) (path.splitRoot "/foo/bar") (path.hasPrefix "/foo" /foo) (path.hasPrefix /foo "/foo")
    (path.subpath.join [ /foo ]) (path.subpath.join [ "" ]) (path.subpath.join [ "a" "/foo" ]) (path.subpath.join [ "../foo" ])
    (path.subpath.normalise "foo/../bar") (path.subpath.normalise "") (path.subpath.normalise "/foo") (path.subpath.normalise null)
    (path.subpath.components "/foo") (path.subpath.components "a/..")
  ];
  more = [ (toString (path.append /. "foo/bar")) (toString (path.append /foo "./bar//baz/./")) (path.removePrefix /. /foo) (path.splitRoot /.).subpath (path.subpath.components ".") (path.subpath.components "./foo//bar/./baz/") (path.subpath.isValid null) (path.subpath.isValid "foo..") ];
}
