# Each file is evaluated once; folders stand for their default.nix.
let one = import ./imported; in
[ one.answer (one.f == (import ./imported/default.nix).f) ([ one.f ] == [ (import ./imported).f ]) (builtins.pathExists ./imported/other.nix) (builtins.attrNames (builtins.readDir ./imported)) (builtins.scopedImport { x = 5; } ./imported/scoped.nix) (builtins.readFileType ./imported) ]
