# fails
builtins.parseFlakeRef "github:owner"
