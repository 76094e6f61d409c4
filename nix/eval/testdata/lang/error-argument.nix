# fails: an argument that the function does not know
let f = { enable ? true, port }: port; in f { enabel = false; port = 1; }
