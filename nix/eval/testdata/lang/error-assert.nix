# fails: the condition is shown
let port = 70000; in assert port < 65536 && port > 0; port
