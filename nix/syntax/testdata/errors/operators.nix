1 == 2 == 3 # ERROR "cannot follow another operator of its rank"
---
1 < 2 < 3 # ERROR "cannot follow another operator of its rank"
---
a ? b ? c # ERROR "cannot follow another operator of its rank"
---
1 + ; # ERROR "unexpected \";\", expected an expression"
---
a + if b then c else d # ERROR "\"if\" must stand in parentheses here"
---
[ let a = 1; in a ] # ERROR "unexpected \"let\", expected an element"
---
f let a = 1; in a # ERROR "unexpected \"let\""
---
a <| b |> c # ERROR "must not be mixed"
---
a |> b <| c # ERROR "must not be mixed"
---
if a then b; # ERROR "unexpected \";\", expected \"else\""
---
rec 1 # ERROR "unexpected 1, expected \"{\""
---
a.if # ERROR "unexpected \"if\", expected an attribute name"
---
1 & 2 # ERROR "unexpected character '&'"
---
x: ) # ERROR "unexpected \"\)\", expected an expression"
