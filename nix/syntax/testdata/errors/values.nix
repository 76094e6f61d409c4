9223372036854775808 # ERROR "integer 9223372036854775808 does not fit in 64 bits"
---
1.0e999 # ERROR "number 1.0e999 is too large"
---
./a/ # ERROR "a path must not end with a slash"
---
./a/${b}/ # ERROR "a path must not end with a slash"
---
1 + § # ERROR "unexpected character '§'"
---
{ a = 'text'; } # ERROR "a string stands in double quotes"
