# fails: a number in a string
let port = 80; in "http://localhost:${port}/"
