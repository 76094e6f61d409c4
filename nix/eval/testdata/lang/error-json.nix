# fails: the attribute is named
builtins.toJSON { services = [ { run = x: x; } ]; }
