# fails: a value that needs itself
let a = b + 1; b = a; in a
