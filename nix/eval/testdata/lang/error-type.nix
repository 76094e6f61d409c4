# fails: the trace names the function and the attribute
let
  add = x: y: x + y;
  set = { value = add 1 "two"; };
in
set.value
