# Pieces of text that come after others; lib.stringsWithDeps.
{ lib, ... }:
rec {
  # The texts of entries, each once, behind what it depends on. An entry is a set, or
  # the name of one in known.
  textClosureList = known: entries:
    let
      go = state: entry:
        if builtins.isAttrs entry then
          let deep = builtins.foldl' go state entry.deps;
          in deep // { texts = deep.texts ++ [ entry.text ]; }
        else if state.seen ? ${entry} then state
        else go (state // { seen = state.seen // { ${entry} = true; }; }) known.${entry};
    in
    (builtins.foldl' go { seen = { }; texts = [ ]; } entries).texts;
  textClosureMap = f: known: names: lib.concatMapStringsSep "\n" f (textClosureList known names);

  fullDepEntry = text: deps: { inherit text deps; };
  stringAfter = deps: text: { inherit text deps; };
  noDepEntry = stringAfter [ ];
  packEntry = deps: stringAfter deps "";
}
