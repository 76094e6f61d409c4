lib: with lib; {
  pipe = pipe 2 [ (x: x + 2) (x: x * 2) ];
  bools = [ (boolToString true) (boolToYesNo false) (xor true false) (lib.or true false) (and true false) ];
  mod = [ (mod 7 3) (mod (-7) 3) ];
  minmax = [ (min 1 2) (max 1 2) (compare 1 2) (compare 2 2) (bitNot 5) ];
  null = [ (mapNullable (x: x + 1) null) (mapNullable (x: x + 1) 1) (defaultTo 3 null) (defaultTo 3 4) ];
  args = functionArgs (setFunctionArgs (x: x) { a = false; b = true; });
  argsLambda = functionArgs ({ a, b ? 1 }: a);
  mirrored = functionArgs (mirrorFunctionArgs ({ a, b ? 1 }: a) (x: x));
  isFunction = map isFunction [ (x: x) { __functor = self: x: x; } 1 { } ];
  toFunction = toFunction 3 4;
  fix = fix (self: { a = 1; b = self.a + 1; });
  extends = fix (extends (final: prev: { a = prev.a + 10; c = final.b; }) (self: { a = 1; b = self.a; }));
  compose = fix (extends (composeManyExtensions [ (f: p: { a = p.a + 1; }) (f: p: { a = p.a * 10; }) ]) (s: { a = 1; }));
  extensible = (((makeExtensible (self: { a = 1; b = self.a; })).extend (f: p: { a = p.a + 5; }))).b;
  converge = converge (x: x / 2) 100;
  hex = [ (toHexString 250) (toHexString 0) (fromHexString "FF") (toBaseDigits 2 10) ];
  throwIf = throwIf false "no" 1;
  assertMsg = assertMsg true "x";
  throws = map (x: (builtins.tryEval x).success) [ (throwIf true "a" 1) (assertMsg false "m") (assertOneOf "n" 1 [ 2 ]) ];
  flipConst = [ (flip (a: b: a - b) 1 5) (const 1 2) (id 3) ];
}
