{ a, b, a }: a # ERROR "duplicate formal function argument \"a\""
---
{ a, ... }@a: a # ERROR "duplicate formal function argument \"a\""
---
a@{ b, a }: a # ERROR "duplicate formal function argument \"a\""
---
{ a, ..., b }: a # ERROR "unexpected \",\", expected \"}\""
---
{ a ? }: a # ERROR "unexpected \"}\", expected an expression"
---
{ a, b } 1 # ERROR "unexpected 1, expected \":\""
