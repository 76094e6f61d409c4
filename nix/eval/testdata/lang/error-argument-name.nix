# fails: the name of an argument that a function does not know is quoted where it is no plain name
let f = { name, type }: name; in f { name = 1; type = 2; "say so: ..." = 3; }
