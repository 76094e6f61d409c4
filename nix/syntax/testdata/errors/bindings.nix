{
  a = 1 # ERROR "\";\" is missing after this binding"
}
---
{
  a = 1
  b = 2; # ERROR "\";\" is missing before this binding"
}
---
{ a = 1; a = 2; } # ERROR "attribute \"a\" is already defined at .*:1:3"
---
{
  a.b = 1;
  a.b.c = 2; # ERROR "attribute \"a.b\" is already defined"
}
---
{
  a = { b = 1; };
  a = { b = 2; }; # ERROR "attribute \"a.b\" is already defined at .*:2:9"
}
---
{ a = 1; inherit a; } # ERROR "attribute \"a\" is already defined"
---
{ inherit a; a.b = 1; } # ERROR "attribute \"a\" is already defined"
---
{ inherit ${"a" + "b"}; } # ERROR "dynamic attributes are not allowed in \"inherit\""
---
let ${"a" + "b"} = 1; in 1 # ERROR "dynamic attributes are not allowed in \"let\""
---
{ inherit a b } # ERROR "\";\" is missing after \"inherit\""
---
{ 1 = 2; } # ERROR "unexpected number: a name that begins with a digit must be in quotes, as \"1\""
---
{ a b = 2; } # ERROR "unexpected name \"b\", expected \"=\""
---
let a = 1; + in a # ERROR "unexpected \"\+\", expected a binding or \"in\""
---
let a = 1 in a # ERROR "\";\" is missing after this binding"
