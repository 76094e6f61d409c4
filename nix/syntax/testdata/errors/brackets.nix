{ a = [ 1 2; } # ERROR "unexpected \";\", expected an element or \"\]\""
---
{ a = 1; # ERROR "\"{\" is never closed"
---
{ a = (1 + 2; } # ERROR "unexpected \";\", expected \"\)\""
---
[ 1 2 # ERROR "\"\[\" is never closed"
---
(1 # ERROR "\"\(\" is never closed"
---
1 ) # ERROR "unexpected \"\)\", expected the end of the file"
---
{ a, b # ERROR "\"{\" is never closed"
---
"${1" # ERROR "string is never closed"
---
"${1 2; }" # ERROR "unexpected \";\", expected \"}\""
---
{ a = "never closed; } # ERROR "string is never closed"
---
'' # ERROR "string is never closed"
  text # the next line is the end
  ${x}
---
1 /* never closed # ERROR "comment is never closed"
