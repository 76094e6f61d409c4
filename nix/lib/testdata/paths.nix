lib: with lib; {
  append = toString (path.append /a "b/c");
  hasPrefix = [ (path.hasPrefix /a /a/b) (path.hasPrefix /a /ab) (path.hasPrefix /a /a) (path.hasPrefix /. /x) ];
  removePrefix = [ (path.removePrefix /a /a/b/c) (path.removePrefix /a /a) ];
  split = (path.splitRoot /a/b).subpath;
  valid = map path.subpath.isValid [ "a" "./a" "" "/a" "../a" "a/../b" ];
  join = [ (path.subpath.join [ "foo" "bar/baz" ]) (path.subpath.join [ "./foo" "." "bar//./baz/" ]) (path.subpath.join [ ]) ];
  normalise = [ (path.subpath.normalise "foo//./bar/") (path.subpath.normalise ".") ];
}
