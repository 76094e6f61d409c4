# Looking into an evaluation: values on standard error, and tests of functions.
{ lib, ... }:
let
  inherit (builtins) deepSeq filter isAttrs isList trace;

  # A value cut off at a depth, for generators.toPretty.
  cut = depth: v:
    if isList v then (if depth == 0 then shown "[…]" v else map (cut (depth - 1)) v)
    else if isAttrs v then (if depth == 0 then shown "{…}" v else builtins.mapAttrs (_: cut (depth - 1)) v)
    else v;
  shown = text: val: { __pretty = _: text; inherit val; };
  pretty = lib.generators.toPretty { allowPrettyValues = true; };
in
rec {
  inherit (builtins) addErrorContext trace unsafeGetAttrPos;

  traceIf = cond: msg: value: if cond then trace msg value else value;
  traceVal = traceValFn (x: x);
  traceValFn = f: x: trace (f x) x;
  traceSeq = x: trace (deepSeq x x);
  traceValSeq = traceValSeqFn (x: x);
  traceValSeqFn = f: x: traceValFn f (deepSeq x x);
  traceSeqN = depth: x: trace (pretty (cut depth x));
  traceValSeqN = traceValSeqNFn (x: x);
  traceValSeqNFn = f: depth: x: traceSeqN depth (f x) x;
  traceFnSeqN = depth: name: f: from:
    let to = f from; in
    traceSeqN (depth + 1) { fn = name; inherit from to; } to;

  # [ { name; expected; result; } ] of the tests that fail. Only names that begin with
  # "test" are tests; with an attribute tests, only those that it lists.
  runTests = tests:
    let
      chosen = tests.tests or [ ];
      wanted = name: if chosen == [ ] then lib.hasPrefix "test" name else builtins.elem name chosen;
    in
    map
      (name: { inherit name; inherit (tests.${name}) expected; result = tests.${name}.expr; })
      (filter (name: wanted name && tests.${name}.expr != tests.${name}.expected) (builtins.attrNames tests));
  testAllTrue = expr: { inherit expr; expected = map (_: true) expr; };
  throwTestFailures = { failures, description ? "tests", ... }:
    let
      report = f: trace ''
        FAIL ${pretty f.name}:
        Expected:
        ${pretty f.expected}

        Result:
        ${pretty f.result}
      '';
      names = lib.concatMapStrings (f: "\n- ${f.name}") failures;
    in
    if failures == [ ] then null
    else throw (lib.foldr report "${toString (builtins.length failures)} ${description} failed:${names}\n\n${builtins.toJSON failures}" failures);
}
