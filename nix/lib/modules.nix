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

  mkAliasIfDef = option: mkIf option.isDefined;
  mkAliasOptionModule = from: to: doRename { inherit from to; visible = true; warn = false; use = x: x; };
  mkAliasOptionModuleMD = mkAliasOptionModule;
  mkRenamedOptionModule = from: to: mkRenamedOptionModuleWith { inherit from to; };
  # With a warning where the new name is in every release that is supported.
  mkRenamedOptionModuleWith = { from, to, sinceRelease ? 0 }: doRename {
    inherit from to;
    visible = false;
    warn = lib.oldestSupportedReleaseIsAtLeast sinceRelease;
    use = x: x;
  };

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
            "The option `${lib.showOption from}' defined in ${lib.showFiles source.files} has been renamed to `${lib.showOption to}'.";
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
  mkMergedOptionModule = froms: to: mergeFn: { config, options, ... }: let
    assigned = from: lib.getAttrFromPath from config != "_mkMergedOptionModule";
  in {
    options = lib.foldl' lib.recursiveUpdate { } (map
      (path: lib.setAttrByPath path (lib.mkOption {
        visible = false;
        default = "_mkMergedOptionModule";
      }))
      froms);
    config = mkMerge [
      (lib.optionalAttrs (options ? warnings) {
        warnings = map
          (from: "the option `${lib.showOption from}' (assigned in ${lib.showFiles (lib.getAttrFromPath from options).files}) has become `${lib.showOption to}', which has another type: see its documentation")
          (builtins.filter assigned froms);
      })
      (lib.setAttrByPath to (mkMerge (lib.optional (builtins.any assigned froms) (mergeFn config))))
    ];
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
  # f applied to a value within its properties.
  mapDefinitionValue = f: def:
    let inside = { merge = "contents"; "if" = "content"; override = "content"; order = "content"; definition = "value"; }.${def._type or ""} or null; in
    if inside == null then f def
    else def // { ${inside} = (if inside == "contents" then map else (x: x)) (mapDefinitionValue f) def.${inside}; };
  filterOverrides = defs: (filterOverrides' defs).values;
  filterOverrides' = defs:
    let
      priority = d: if d.value._type or "" == "override" then d.value.priority else defaultOverridePriority;
      highestPrio = if builtins.length defs == 1 then priority (builtins.head defs) else builtins.foldl' (p: d: lib.min p (priority d)) 9999 defs;
      bare = d: if d.value._type or "" == "override" then d // { value = d.value.content; } else d;
    in { inherit highestPrio; values = map bare (builtins.filter (d: priority d == highestPrio) defs); };
  sortProperties = defs:
    let
      order = d: if d.value._type or "" == "order" then d.value.priority else defaultOrderPriority;
      bare = d: if d.value._type or "" == "order" then d // { value = d.value.content; } else d;
    in map bare (builtins.sort (a: b: order a < order b) defs);
  mergeDefinitions = loc: type: defs:
    let
      all = builtins.concatMap
        (d: map (v: if v._type or null == "definition" then v else d // { value = v; }) (dischargeProperties d.value))
        defs;
      filtered = filterOverrides' all;
      final = sortProperties filtered.values;
      wrong = lib.findFirst (d: !type.check d.value) null final;
      args = { inherit loc; defs = final; };
    in rec {
      isDefined = final != [ ];
      checkedAndMerged =
        if type.merge ? v2 then type.merge.v2 args
        else { headError = null; value = type.merge loc final; valueMeta = { }; };
      defsFinal = final;
      defsFinal' = { values = final; inherit (filtered) highestPrio; };
      mergedValue =
        if !isDefined && type.emptyValue ? value then type.emptyValue.value
        else if !isDefined then throw "the option `${lib.showOption loc}' was accessed but has no value assigned"
        else if wrong != null then
          throw "a value assigned to `${lib.showOption loc}' is not of type `${type.description}'. Assigned:${lib.options.showDefs [ wrong ]}"
        else checkedAndMerged.value;
      optionalValue = if isDefined then { value = mergedValue; } else { };
    };

  # The value and the priority of each attribute that is assigned to an option of type attrsOf.
  mergeAttrDefinitionsWithPrio = option:
    let
      elem = option.type.nestedTypes.elemType;
      defs = builtins.concatMap (d: map (value: builtins.mapAttrs (_: v: d // { value = v; }) value) (pushDownProperties d.value))
        option.definitionsWithLocations;
    in
    if !(builtins.elem option.type.name [ "attrsOf" "lazyAttrsOf" ]) then
      throw "mergeAttrDefinitionsWithPrio: `${lib.showOption option.loc}' must be of type attrsOf, not ${option.type.name}"
    else builtins.mapAttrs
      (name: defs:
        let merged = mergeDefinitions (option.loc ++ [ name ]) elem defs;
        in { value = merged.mergedValue; inherit (merged.defsFinal') highestPrio; })
      (lib.zipAttrs defs);

  # An option as evalModules makes it, from a declaration and assignments. The engine
  # does it: for it, both are modules.
  evalOptionValue = loc: option: defs:
    let
      name = lib.last loc;
      evaluated = evalModules {
        prefix = lib.init loc;
        modules = [ { _file = builtins.head (option.declarations or [ lib.unknownModule ]); options.${name} = option; } ]
          ++ map (d: { _file = toString d.file; config.${name} = d.value; }) (lib.reverseList defs); # as modules come: the last one first
      };
    in evaluated.options.${name};
  # One declaration from several: modules with options and _file.
  mergeOptionDecls = loc: decls:
    let
      name = lib.last loc;
      option = (evalModules {
        prefix = lib.init loc;
        modules = map (d: { _file = d._file; options.${name} = d.options; }) (lib.reverseList decls);
      }).options.${name};
    in builtins.removeAttrs option [ "value" "definitions" "definitionsWithLocations" "files" "isDefined" "highestPrio" "__toString" "valueMeta" ];
  fixupOptionType = _: option:
    if option.type.getSubModules or null == null then option // { type = option.type or lib.types.unspecified; }
    else option // { type = option.type.substSubModules (option.options or option.type.getSubModules); options = [ ]; };

  applyModuleArgsIfFunction = _: m: args:
    if lib.isFunction m then m (builtins.intersectAttrs (lib.functionArgs m) (args // args.config._module.args or { }) // args) else m;
  # A module in its long form.
  unifyModuleSyntax = file: key: m:
    let
      long = m ? config || m ? options;
      wrong = builtins.removeAttrs m [ "_class" "_file" "key" "disabledModules" "imports" "options" "config" "meta" "freeformType" ];
      part = name: lib.optional (m ? ${name});
      more = lib.optionals long (part "meta" { inherit (m) meta; }) ++ part "freeformType" { _module = { inherit (m) freeformType; }; };
      config = if long then m.config or { } else builtins.removeAttrs m [ "_class" "_file" "key" "disabledModules" "require" "imports" "freeformType" ];
    in
    if long && wrong != { } then
      throw "the module `${toString (m._file or file)}' has the attribute `${builtins.head (builtins.attrNames wrong)}' beside `config' or `options': put it into `config'"
    else {
      _file = toString (m._file or file);
      _class = m._class or null;
      key = toString (m.key or key);
      disabledModules = m.disabledModules or [ ];
      imports = lib.optionals (!long) (m.require or [ ]) ++ m.imports or [ ];
      options = m.options or { };
      config = if more == [ ] then config else lib.foldl' (a: b: mkMerge [ a b ]) config more;
    };
  fixMergeModules = modules: args: evalModules { inherit modules args; };
  collectModules = partOf "collectModules";
  mergeModules = partOf "mergeModules";
  mergeModules' = partOf "mergeModules'";
  partOf = name: _: throw "not supported: lib.modules.${name} is inside the module engine: use lib.evalModules";
}
