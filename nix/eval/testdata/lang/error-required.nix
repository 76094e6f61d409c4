# fails: an argument that is missing
let f = { enable, port }: port; in f { enable = false; }
