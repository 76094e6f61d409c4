# fails: the same name twice
{ a = 1; ${"a"} = 2; }
