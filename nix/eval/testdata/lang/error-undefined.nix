# fails: found before anything is evaluated
let port = 1; in throw "not reached ${prot}"
