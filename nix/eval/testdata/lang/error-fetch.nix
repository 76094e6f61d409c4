# fails: what this evaluator does not do
builtins.fetchTarball "https://example.org/x.tar.gz"
