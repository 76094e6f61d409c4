let m = { old = 1; imports = [ m ]; }; in m
