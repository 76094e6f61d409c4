# Properties: what an assignment can say beside its value; and modules that
# carry values from one option to another.
{ lib, prim }:
rec {
  inherit (prim) evalModules;

  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkAssert = ok: message: mkIf (if ok then true else throw "failed assertion: ${message}");
  mkMerge = contents: { _type = "merge"; inherit contents; };
  mkOverride = priority: content: { _type = "override"; inherit priority content; };
  mkOrder = priority: content: { _type = "order"; inherit priority content; };

  # The lowest number wins; a plain assignment has 100.
  mkForce = mkOverride 50;
  mkDefault = mkOverride 1000;
  mkOptionDefault = mkOverride 1500;
  mkImageMediaOverride = mkOverride 60;
  mkVMOverride = mkOverride 10;
  defaultOverridePriority = 100;
  defaultOrderPriority = 1000;
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkFixStrictness = x: x;

  mkDefinition = args@{ file, value, ... }: args // { _type = "definition"; };
  setDefaultModuleLocation = file: m: { _file = file; imports = [ m ]; };

  # Assignments of one option passed on to another one. Nothing is assigned
  # when nothing is assigned to the first.
  mkAliasDefinitions = mkAliasAndWrapDefinitions (x: x);
  mkAliasAndWrapDefinitions = wrap: option:
    mkIf (isAssigned option) (wrap (mkMerge option.definitions));
  mkAliasAndWrapDefsWithPriority = wrap: option:
    mkIf (isAssigned option) (wrap (mkOverride (option.highestPrio or defaultOverridePriority) (mkMerge option.definitions)));
  mkDerivedConfig = option: f:
    mkIf (isAssigned option) (mkOverride (option.highestPrio or defaultOverridePriority) (f option.value));
  isAssigned = option: lib.isOption option && option.isDefined;

  mkAliasOptionModule = from: to: doRename { inherit from to; visible = true; warn = false; use = x: x; };
  mkAliasOptionModuleMD = mkAliasOptionModule;
  mkRenamedOptionModule = from: to: doRename {
    inherit from to;
    visible = false;
    warn = true;
    use = x: x;
  };
  mkRenamedOptionModuleWith = { from, to, sinceRelease ? 0 }: mkRenamedOptionModule from to;

  doRename = { from, to, visible, warn, use, withPriority ? true, condition ? true }:
    { config, options, ... }:
    let
      source = lib.getAttrFromPath from options;
      target = lib.attrByPath to (abort "option `${lib.showOption to}' does not exist, but `${lib.showOption from}' is an alias of it");
      type = lib.attrByPath (to ++ [ "type" ]) null options;
    in
    {
      options = lib.setAttrByPath from (lib.mkOption ({
        inherit visible;
        description = "Alias of {option}`${lib.showOption to}`.";
        apply = _: use (target config);
      } // lib.optionalAttrs (type != null) { inherit type; }));
      config = mkIf condition (mkMerge [
        (lib.optionalAttrs (options ? warnings) {
          warnings = lib.optional (warn && source.isDefined)
            "the option `${lib.showOption from}' has been renamed to `${lib.showOption to}'";
        })
        ((if withPriority then mkAliasAndWrapDefsWithPriority else mkAliasAndWrapDefinitions) (lib.setAttrByPath to) source)
      ]);
    };

  mkRemovedOptionModule = path: instead: { options, ... }: {
    options = lib.setAttrByPath path (lib.mkOption {
      visible = false;
      apply = _: throw "the option `${lib.showOption path}' can no longer be used since it has been removed. ${instead}";
    });
    config = lib.optionalAttrs (options ? assertions) {
      assertions =
        let option = lib.getAttrFromPath path options;
        in [{
          assertion = !option.isDefined;
          message = "the option `${lib.showOption path}' (assigned in ${lib.showFiles option.files}) no longer has any effect; please remove it. ${instead}";
        }];
    };
  };

  mkChangedOptionModule = from: to: change: mkMergedOptionModule [ from ] to change;
  mkMergedOptionModule = froms: to: mergeFn: { config, options, ... }: {
    options = lib.foldl' lib.recursiveUpdate { } (map
      (path: lib.setAttrByPath path (lib.mkOption {
        visible = false;
        default = "_mkMergedOptionModule";
      }))
      froms);
    config = lib.setAttrByPath to (mkMerge (lib.optional
      (builtins.any (from: lib.getAttrFromPath from config != "_mkMergedOptionModule") froms)
      (mergeFn config)));
  };

  importApply = file: args: setDefaultModuleLocation file (import file args);
  importTOML = file: setDefaultModuleLocation file (lib.trivial.importTOML file);
  importJSON = file: setDefaultModuleLocation file (lib.trivial.importJSON file);

  # What the engine does with one assignment, for programs that do it by hand.
  dischargeProperties = def:
    if def._type or "" == "merge" then builtins.concatMap dischargeProperties def.contents
    else if def._type or "" == "if" then
      (if builtins.isBool def.condition then lib.optionals def.condition (dischargeProperties def.content)
      else throw "the condition of mkIf must be a boolean, not ${lib.generators.toPretty { } def.condition}")
    else [ def ];
  pushDownProperties = cfg:
    if cfg._type or "" == "merge" then builtins.concatMap pushDownProperties cfg.contents
    else if cfg._type or "" == "if" then map (builtins.mapAttrs (_: mkIf cfg.condition)) (pushDownProperties cfg.content)
    else if cfg._type or "" == "override" then map (builtins.mapAttrs (_: mkOverride cfg.priority)) (pushDownProperties cfg.content)
    else [ cfg ];
  filterOverrides = defs:
    let
      priority = d: if d.value._type or "" == "override" then d.value.priority else defaultOverridePriority;
      best = builtins.foldl' (p: d: lib.min p (priority d)) 9999 defs;
    in builtins.concatMap
      (d:
        if priority d != best then [ ]
        else [ (if d.value._type or "" == "override" then d // { value = d.value.content; } else d) ])
      defs;
  sortProperties = defs:
    let
      order = d: if d.value._type or "" == "order" then d.value.priority else defaultOrderPriority;
      bare = d: if d.value._type or "" == "order" then d // { value = d.value.content; } else d;
    in map bare (builtins.sort (a: b: order a < order b) defs);
  mergeDefinitions = loc: type: defs:
    let
      all = builtins.concatMap (d: map (value: d // { inherit value; }) (dischargeProperties d.value)) defs;
      final = sortProperties (filterOverrides all);
      wrong = lib.findFirst (d: !type.check d.value) null final;
    in rec {
      isDefined = final != [ ];
      defsFinal = final;
      mergedValue =
        if !isDefined then throw "the option `${lib.showOption loc}' was accessed but has no value assigned"
        else if wrong != null then
          throw "a value assigned to `${lib.showOption loc}' is not of type `${type.description}'. Assigned:${lib.options.showDefs [ wrong ]}"
        else type.merge loc final;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };
}
