lib: with lib.gvariant; let
  ok = x: (builtins.tryEval (builtins.deepSeq (toString x) true)).success;
  both = v: [ v.type (toString v) ];
in {
  plain = map both [ (mkValue true) (mkValue false) (mkValue 1.5) (mkValue "it's \\ a\nline") (mkValue [ "a" "b" ]) (mkValue (mkInt32 5)) ];
  numbers = map both [ (mkInt16 (-3)) (mkUint16 3) (mkInt32 (-7)) (mkUint32 7) (mkInt64 9) (mkUint64 9) (mkUchar 255) (mkDouble 2.25) ];
  arrays = map both [ (mkArray [ 1.0 2.5 ]) (mkEmptyArray type.string) (mkEmptyArray (type.arrayOf type.int32)) (mkArray [ [ "a" ] [ "b" "c" ] ]) ];
  tuples = map both [ (mkTuple [ "a" true (mkUint32 1) ]) (mkTuple [ ]) (mkDictionaryEntry "k" (mkInt32 3)) (mkArray [ (mkDictionaryEntry "k" "v") ]) ];
  variants = map both [ (mkVariant "x") (mkVariant (mkInt64 4)) (mkArray [ (mkVariant 1.0) (mkVariant "s") ]) ];
  maybes = map both [ (mkJust "x") (mkNothing type.string) (mkMaybe type.int32 (mkInt32 1)) (mkMaybe type.int32 null) (mkJust (mkJust true)) ];
  objects = both (mkObjectpath "/org/it's");
  types = with type; [ (arrayOf string) (maybeOf boolean) (tupleOf [ uchar int16 uint16 ]) (dictionaryEntryOf int64 uint64) double variant ];
  is = map isGVariant [ (mkString "a") "a" { } 1 ];
  values = map (v: v.value) [ (mkString "a") (mkInt32 4) ];
  entry = (mkDictionaryEntry "k" 1.5).value;
  constructors = intConstructors;
  wrong = map ok [ (mkValue 1) (mkValue { }) (mkValue null) (mkArray [ ]) (mkArray [ "a" true ]) (mkValue (x: x)) ];
}
