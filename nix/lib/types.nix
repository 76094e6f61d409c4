# Types of one's own. The built-in types come from Go; both sorts have the same
# attributes, so that they can be used with each other.
{ lib, prim }:
rec {
  isType = name: v: v._type or "" == name;
  setType = name: v: v // { _type = name; };
  isOptionType = isType "option-type";

  # A type is what says `check` and `merge`; the rest has a meaning by default.
  mkOptionType =
    { name
    , description ? null
    , descriptionClass ? null
    , check ? (_: true)
    , merge ? lib.mergeDefaultOption
    , emptyValue ? { }
    , getSubOptions ? (_: { })
    , getSubModules ? null
    , substSubModules ? (_: null)
    , typeMerge ? defaultTypeMerge functor
    , functor ? defaultFunctor name
    , deprecationMessage ? null
    , nestedTypes ? { }
    , ...
    }@attrs:
    {
      _type = "option-type";
      inherit name check merge emptyValue getSubOptions getSubModules substSubModules
        typeMerge functor deprecationMessage nestedTypes descriptionClass;
      description = if description == null then name else description;
    } // attrs // { description = if description == null then name else description; };

  defaultFunctor = name: {
    inherit name;
    type = lib.types.${name} or null;
    wrapped = null;
    payload = null;
    binOp = _: _: null;
  };

  # Two declarations of one option must have types that fit: the same name,
  # and parameters that can be joined.
  defaultTypeMerge = a: b:
    if a.name != b.name then null
    else if a.payload or null == null && a.wrapped or null == null then a.type
    else if a.payload or null != null then
      let payload = if b.payload or null == null then null else a.binOp a.payload b.payload;
      in if payload == null then null else a.type payload
    else
      let wrapped = a.wrapped.typeMerge b.wrapped.functor;
      in if wrapped == null then null else a.type wrapped;
}
