# fails: a derivation is a value, its path is not
let d = derivation { name = "x"; builder = "/bin/sh"; system = "x86_64-linux"; }; in "${d.name} ${d}"
