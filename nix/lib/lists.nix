# Lists.
{ lib, ... }:
let
  inherit (builtins) concatLists elem elemAt filter genList head length tail;
in
rec {
  inherit (builtins) head tail length isList elemAt concatLists filter elem genList map
    concatMap all any sort partition groupBy foldl' replaceStrings;

  singleton = x: [ x ];
  toList = x: if builtins.isList x then x else [ x ];
  forEach = xs: f: map f xs;
  optional = cond: x: if cond then [ x ] else [ ];
  optionals = cond: xs: if cond then xs else [ ];
  range = from: to: if from > to then [ ] else genList (i: from + i) (to - from + 1);
  replicate = n: x: genList (_: x) n;

  foldr = f: nul: xs:
    let
      n = length xs;
      go = i: if i == n then nul else f (elemAt xs i) (go (i + 1));
    in go 0;
  fold = foldr;
  foldl = f: nul: xs:
    let go = i: if i < 0 then nul else f (go (i - 1)) (elemAt xs i);
    in go (length xs - 1);

  imap0 = f: xs: genList (i: f i (elemAt xs i)) (length xs);
  imap1 = f: xs: genList (i: f (i + 1) (elemAt xs i)) (length xs);
  concatMapImap0 = f: xs: concatLists (imap0 f xs);
  ifilter0 = keep: xs: map (i: elemAt xs i) (filter (i: keep i (elemAt xs i)) (genList (i: i) (length xs)));

  last = xs: if xs == [ ] then throw "lib.last: the list is empty" else elemAt xs (length xs - 1);
  init = xs: if xs == [ ] then throw "lib.init: the list is empty" else take (length xs - 1) xs;
  take = n: sublist 0 n;
  takeEnd = n: xs: drop (length xs - n) xs;
  drop = n: xs: sublist n (length xs) xs;
  dropEnd = n: xs: take (length xs - n) xs;
  sublist = start: count: xs:
    let
      n = length xs;
      from = if start < 0 then 0 else if start > n then n else start;
      many = if count < 0 then 0 else if from + count > n then n - from else count;
    in genList (i: elemAt xs (from + i)) many;
  reverseList = xs: let n = length xs; in genList (i: elemAt xs (n - i - 1)) n;
  replaceElemAt = xs: at: x:
    if at < 0 || at >= length xs then throw "replaceElemAt: the list has no element ${toString at}" else genList (i: if i == at then x else elemAt xs i) (length xs);

  remove = x: filter (y: y != x);
  findFirstIndex = wanted: default: xs:
    let
      # below zero is where to look next, counted backwards: no call is inside another
      found = builtins.foldl' (i: x: if i >= 0 then i else if wanted x then -i - 1 else i - 1) (-1) xs;
    in if found >= 0 then found else default;
  findFirst = wanted: default: xs:
    let i = findFirstIndex wanted null xs; in if i == null then default else elemAt xs i;
  findSingle = wanted: none: several: xs:
    let found = filter wanted xs;
    in if found == [ ] then none else if length found > 1 then several else head found;
  count = wanted: xs: length (filter wanted xs);
  flatten = x: if builtins.isList x then builtins.concatMap flatten x else [ x ];

  unique = xs: builtins.foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ] xs;
  uniqueStrings = xs: builtins.attrNames (builtins.groupBy (s: s) xs);
  allUnique = xs: length (unique xs) == length xs;
  intersectLists = keep: filter (x: elem x keep);
  subtractLists = gone: filter (x: !(elem x gone));
  mutuallyExclusive = a: b: a == [ ] || !(builtins.any (x: elem x a) b);

  hasPrefix = prefix: xs: take (length prefix) xs == prefix;
  removePrefix = prefix: xs:
    if hasPrefix prefix xs then drop (length prefix) xs
    else throw "lists.removePrefix: the first list is not a prefix of the second";
  commonPrefixLength = a: b:
    let n = lib.min (length a) (length b); in
    findFirstIndex (i: elemAt a i != elemAt b i) n (genList (i: i) n);
  commonPrefix = a: b: take (commonPrefixLength a b) a;

  zipListsWith = f: a: b: genList (i: f (elemAt a i) (elemAt b i)) (lib.min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  crossLists = f: builtins.foldl' (fs: xs: builtins.concatMap (g: map g xs) fs) [ f ];
  groupBy' = op: nul: key: xs: builtins.mapAttrs (_: builtins.foldl' op nul) (builtins.groupBy key xs);
  concatAttrValues = set: concatLists (builtins.attrValues set);

  sortOn = key: xs: map (p: elemAt p 1) (builtins.sort (a: b: head a < head b) (map (x: [ (key x) x ]) xs));
  compareLists = cmp: a: b:
    if a == [ ] then (if b == [ ] then 0 else -1)
    else if b == [ ] then 1
    else let c = cmp (head a) (head b); in if c == 0 then compareLists cmp (tail a) (tail b) else c;
  naturalSort = xs:
    let
      # numbers compare as numbers, and come before text
      pieces = s: map (p: if builtins.isList p then lib.toIntBase10 (head p) else p)
        (filter (p: p != "") (builtins.split "(0|[1-9][0-9]*)" s));
      less = a: b:
        if builtins.isInt a == builtins.isInt b then lib.compare a b
        else if builtins.isInt a then -1 else 1;
    in map (p: p.s) (builtins.sort (a: b: compareLists less a.k b.k < 0) (map (s: { inherit s; k = pieces s; }) xs));

  # before a b says that a comes before b. The result is { result; } or, when
  # there is a cycle, { cycle; loops; }.
  toposort = before: xs:
    let
      # from the first element back to one that has nothing before it
      go = todo: done:
        if todo == [ ] then { result = done; }
        else
          let path = back [ (head todo) ] todo; in
          if path ? loop then { cycle = path.loop; loops = filter (x: before x (head path.loop)) path.loop; }
          else go (removeFirst path.first todo) (done ++ [ path.first ]);
      back = path: todo:
        let
          here = head path;
          preds = filter (y: y != here && before y here) todo;
          pred = head preds;
        in
        if preds == [ ] then { first = here; }
        else if elem pred path then { loop = take (findFirstIndex (y: y == pred) 0 path + 1) path; }
        else back ([ pred ] ++ path) todo;
      removeFirst = x: ys:
        let i = findFirstIndex (y: y == x) 0 ys; in take i ys ++ drop (i + 1) ys;
    in go xs [ ];

  # From the first element back along what is before it, to one that has nothing before
  # it, or with stop to a cycle.
  listDfs = stop: before: xs:
    let
      go = here: visited: rest:
        let
          loops = filter (x: before x here) visited;
          parts = builtins.partition (x: before x here) rest;
        in
        if stop && loops != [ ] then { cycle = here; inherit loops visited rest; }
        else if parts.right == [ ] then { minimal = here; inherit visited rest; }
        else go (head parts.right) ([ here ] ++ visited) (tail parts.right ++ parts.wrong);
    in go (head xs) [ ] (tail xs);

  joinLists = sep: xss: concatLists (lib.intersperse [ sep ] xss);
}
