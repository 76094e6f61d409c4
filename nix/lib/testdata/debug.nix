lib: with lib; {
  values = [
    (traceIf true "m" 1) (traceVal 2) (traceValFn (x: x + 1) 3) (traceSeq { a = 1; } 4) (traceValSeq [ 5 ]) (traceValSeqFn toString 6)
    (traceSeqN 1 { a.b.c = 1; } 7) (traceValSeqN 2 { a.b = [ 8 ]; }) (traceValSeqNFn (x: x.a) 1 { a = 9; }) (traceFnSeqN 2 "id" (x: x) { a.b = 10; })
  ];
  deep = map (x: (builtins.tryEval x).success) [
    (traceSeq { a = throw "a"; } 1) (traceSeqN 1 { a.b = throw "b"; } 1) (traceSeqN 1 { a = throw "b"; } 1) (traceSeqN 0 { a = throw "b"; } 1) (traceValSeqFn (x: 1) [ (throw "a") ] )
  ];
  runTests = runTests {
    testGood = { expr = 1; expected = 1; };
    testBad = { expr = 1; expected = 2; };
    testAlso = { expr = [ ]; expected = { }; };
    other = { expr = 1; expected = 3; };
  };
  runSome = runTests {
    tests = [ "other" ];
    testBad = { expr = 1; expected = 2; };
    other = { expr = 1; expected = 3; };
  };
  all = testAllTrue [ true false ];
  failures = [ (debug.throwTestFailures { failures = [ ]; }) (builtins.tryEval (debug.throwTestFailures { failures = [ { name = "testA"; expected = 1; result = { a = "x"; }; } ]; })) ];
  asserts = map (x: (builtins.tryEval x).success) [
    (asserts.assertEachOneOf "n" [ 1 2 ] [ 1 2 3 ]) (asserts.assertEachOneOf "n" [ 1 4 ] [ 1 2 3 ]) (asserts.assertEachOneOf "n" [ ] [ ])
    (asserts.checkAssertWarn [ { assertion = true; message = "m"; } ] [ ] 1) (asserts.checkAssertWarn [ { assertion = false; message = "m"; } ] [ ] 1)
  ];
  checked = asserts.checkAssertWarn [ { assertion = true; message = throw "unused"; } ] [ "w" "v" ] { a = 1; };
  warned = [ (showWarnings [ "a" "b" ] 3) (warnIf false "a" 1) (warnIfNot true "a" 2) ];
}
