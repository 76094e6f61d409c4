{
  indented = ''
    first
      second ''${not} ''' $${literal}

    third ''\t tab
  '';
  escapes = "\n\t\"\${x}\\";
  interpolated = "${toString 1}-${"nested ${"deep"}"}";
  split = builtins.split "([a-z])[0-9]" "a1-b2";
  nonAscii = builtins.split "ä" "xäy";
  match = builtins.match "([^=]+)=(.*)" "key=a=b";
  versions = builtins.sort (a: b: builtins.compareVersions a b < 0) [ "1.10" "1.9" "1.9pre2" "1.9a" ];
}
