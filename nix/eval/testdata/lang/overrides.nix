# The old way to change a recursive set.
rec { a = b; b = 1; __overrides = { b = 2; c = 3; }; }
