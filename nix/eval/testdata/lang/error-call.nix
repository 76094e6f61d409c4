# fails: not a function
map 1 [ 2 ]
