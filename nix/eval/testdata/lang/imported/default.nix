{ answer = 42; f = x: x; }
