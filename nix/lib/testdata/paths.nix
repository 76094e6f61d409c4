lib: with lib; {
  inStore = map path.hasStorePathPrefix [ (/nix/store + "/0fb3ykw9r5hpayd05sr0cizwadzq1d8q-a") (/nix/store + "/0fb3ykw9r5hpayd05sr0cizwadzq1d8q-a/b") /nix/store/a /nix/store (/nix/store + "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9") (/. + "1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9/x") ];
  append = toString (path.append /a "b/c");
  hasPrefix = [ (path.hasPrefix /a /a/b) (path.hasPrefix /a /ab) (path.hasPrefix /a /a) (path.hasPrefix /. /x) ];
  removePrefix = [ (path.removePrefix /a /a/b/c) (path.removePrefix /a /a) ];
  split = (path.splitRoot /a/b).subpath;
  valid = map path.subpath.isValid [ "a" "./a" "" "/a" "../a" "a/../b" ];
  join = [ (path.subpath.join [ "foo" "bar/baz" ]) (path.subpath.join [ "./foo" "." "bar//./baz/" ]) (path.subpath.join [ ]) ];
  normalise = [ (path.subpath.normalise "foo//./bar/") (path.subpath.normalise ".") ];
}
