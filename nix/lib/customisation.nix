# Calling functions with what they ask for, and overriding what they were
# called with.
{ lib, ... }:
let
  inherit (builtins) attrNames head isAttrs mapAttrs removeAttrs;
  function = f: if lib.isFunction f then f else import f;

  # The places that cross compilers are built, run and compile for, by their names here.
  crossNames = {
    buildBuild = "BuildBuild"; buildHost = "BuildHost"; buildTarget = "BuildTarget";
    hostHost = "HostHost"; hostTarget = "HostTarget"; targetTarget = "TargetTarget";
  };
in
rec {
  makeOverridable = f:
    let
      like = lib.mirrorFunctionArgs f;
      called = args:
        let
          result = f args;
          again = like (new: makeOverridable f (args // (if lib.isFunction new then new args else new)));
          mapped = g: makeOverridable (like (a: g (f a))) args;
        in
        if isAttrs result then
          result // {
            override = again;
            overrideDerivation = g: mapped (drv: overrideDerivation drv g);
          } // lib.optionalAttrs (result ? overrideAttrs) {
            overrideAttrs = g: mapped (x: x.overrideAttrs g);
          }
        else if lib.isFunction result then
          lib.setFunctionArgs result (lib.functionArgs result) // { override = again; }
        else result;
    in
    if isAttrs f then
      f // lib.setFunctionArgs called (lib.functionArgs f)
      // lib.optionalAttrs (f ? override) { override = new: makeOverridable (f.override new); }
    else like called;

  # A package of definitions may be less than a derivation: a name and a path.
  overrideDerivation = drv: f:
    if !(drv ? drvAttrs) then drv // f drv
    else extendDerivation (builtins.seq drv.drvPath true)
      ({ meta = drv.meta or { }; passthru = drv.passthru or { }; } // drv.passthru or { })
      (derivation (drv.drvAttrs // f drv));

  callPackageWith = scope: fn: args:
    let
      f = function fn;
      wanted = lib.functionArgs f;
      given = builtins.intersectAttrs wanted scope // args;
      missing = lib.filterAttrs (name: optional: !optional && !(given ? ${name})) wanted;
      name = head (attrNames missing);
      place = builtins.unsafeGetAttrPos name wanted;
      near = lib.sortOn (lib.levenshtein name) (builtins.filter (lib.strings.levenshteinAtMost 2 name) (attrNames (scope // args)));
    in
    if missing == { } then makeOverridable f given
    else abort "callPackageWith: no value for the argument ${name}${
      lib.optionalString (place != null) " at ${place.file}:${toString place.line}"}${
      lib.optionalString (near != [ ]) ", did you mean ${head near}?"}";
  callPackagesWith = scope: fn: args:
    let
      f = function fn;
      given = builtins.intersectAttrs (lib.functionArgs f) scope // args;
      all = f given;
    in
    if lib.isDerivation all then throw "callPackagesWith: the function gives one package, ${all.name or "without a name"}: use callPackageWith"
    else mapAttrs (name: _: makeOverridable (lib.mirrorFunctionArgs f (a: (f a).${name})) given) all;

  makeScope = newScope: f:
    let
      self = { callPackage = self.newScope { }; } // f self // {
        newScope = extra: newScope (self // extra);
        overrideScope = g: makeScope newScope (lib.extends g f);
        packages = f;
      };
    in self;
  makeScopeWithSplicing = splicePackages: newScope: otherSplices: keep: extra: f:
    makeScopeWithSplicing' { inherit splicePackages newScope; } { inherit otherSplices keep extra f; };
  makeScopeWithSplicing' = how@{ splicePackages, newScope }:
    what@{ otherSplices, keep ? (_: { }), extra ? (_: { }), f }:
    let
      others = lib.mapAttrs' (name: to: { name = "pkgs${to}"; value = otherSplices."self${to}"; })
        (removeAttrs crossNames [ "hostTarget" ]);
      spliced = splicePackages (others // { pkgsHostTarget = self; });
      all = extra spliced // spliced // keep self;
      self = f self // {
        newScope = more: newScope (all // more);
        callPackage = newScope all;
        overrideScope = g: makeScopeWithSplicing' how (what // { f = lib.extends g f; });
        packages = f;
      };
    in self;
  mapCrossIndex = f: cross: mapAttrs (name: _: f cross.${name}) crossNames;
  renameCrossIndexFrom = prefix: set: mapAttrs (_: to: set."${prefix}${to}") crossNames;
  renameCrossIndexTo = prefix: cross: lib.mapAttrs' (name: to: { name = "${prefix}${to}"; value = cross.${name}; }) crossNames;

  # A function that makes packages as constructDrv does, from other arguments.
  extendMkDerivation =
    { constructDrv, extendDrvArgs, excludeDrvArgNames ? [ ], excludeFunctionArgNames ? [ ]
    , inheritFunctionArgs ? true, transformDrv ? (x: x) }:
    {
      __functor = _: given: transformDrv (constructDrv (final:
        let args = if lib.isFunction given then given final else given;
        in removeAttrs args excludeDrvArgNames // extendDrvArgs final args));
      __functionArgs = removeAttrs
        (lib.optionalAttrs inheritFunctionArgs (removeAttrs (lib.functionArgs constructDrv) excludeDrvArgNames)
          // lib.functionArgs (extendDrvArgs { }))
        excludeFunctionArgNames;
      inherit constructDrv excludeDrvArgNames extendDrvArgs transformDrv;
    };

  extendDerivation = condition: passthru: drv:
    let
      outputs = drv.outputs or [ "out" ];
      checked = x: { drvPath = assert condition; x.drvPath; outPath = assert condition; x.outPath; };
      common = drv // lib.genAttrs outputs output // { all = map output outputs; } // passthru // checked drv;
      output = name: common // checked drv.${name} // {
        inherit (drv.${name}) type outputName;
        outputSpecified = true;
      } // lib.optionalAttrs (passthru ? overrideAttrs) {
        overrideAttrs = f: (passthru.overrideAttrs f).${name};
      };
    in common;
  # A derivation of which nothing is evaluated but what is read.
  lazyDerivation = given@{ derivation, meta ? null, passthru ? { }, outputs ? [ "out" ] }:
    let
      drv =
        if derivation.type or null != "derivation" then throw "lazyDerivation: the argument derivation must be a derivation"
        else if derivation.outputs != outputs then
          throw "lazyDerivation: ${derivation.name or "the derivation"} has the outputs ${toString derivation.outputs}, and the argument outputs says ${toString outputs}"
        else derivation;
    in
    {
      type = "derivation";
      inherit (drv) outPath outputName drvPath name system;
      inherit outputs;
      meta = given.meta or drv.meta;
    }
    // lib.genAttrs outputs (name: drv.${name}) // passthru;
  hydraJob = drv:
    let
      outputs = drv.outputs or [ "out" ];
      common = { inherit (drv) name system meta; inherit outputs; }
        // lib.optionalAttrs (drv._hydraAggregate or false) {
          _hydraAggregate = true;
          constituents = map hydraJob (lib.flatten drv.constituents);
        } // lib.genAttrs outputs output;
      output = name: common // {
        inherit (drv.${name}) outPath drvPath;
        type = "derivation";
        outputName = name;
      };
      first = output (head outputs);
    in
    if drv == null then null else builtins.deepSeq first first;
  # What is read of drv to build it warns.
  warnOnInstantiate = msg: drv:
    drv // mapAttrs (_: lib.warn msg) (removeAttrs drv [ "meta" "name" "type" "outputName" ])
    // lib.optionalAttrs (builtins.isFunction (drv.overrideAttrs or null)) {
      overrideAttrs = f: warnOnInstantiate msg (drv.overrideAttrs f);
    };
}
