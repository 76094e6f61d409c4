# The library as one set, from the Go side's primitives: the types and the
# module engine. Only what is asked for is evaluated.
#
# Files named here are functions from { lib, prim } to a set.
{ prim, load }:
let
  arg = { inherit lib prim; };
  trivial = load "trivial" arg;
  attrsets = load "attrsets" arg;
  lists = load "lists" arg;
  strings = load "strings" arg;
  versions = load "versions" arg;
  generators = load "generators" arg;
  options = load "options" arg;
  modules = load "modules" arg;
  typeTools = load "types" arg;
  meta = load "meta" arg;
  customisation = load "customisation" arg;
  cli = load "cli" arg;
  files = load "files" arg;
  moreTypes = load "moretypes" arg;
  debug = load "debug" arg;
  network = load "network" arg;
  fetchers = load "fetchers" arg;
  stringsWithDeps = load "ordered" arg;
  old = load "old" arg;

  lib = {
    inherit attrsets lists strings versions generators options modules customisation cli;
    trivial = builtins.removeAttrs trivial [ "trivial" ];
    fixedPoints = {
      inherit (trivial) fix fix' converge extends composeExtensions composeManyExtensions makeExtensible
        makeExtensibleWithCustomName toExtension;
    };
    asserts = { inherit (trivial) assertMsg assertOneOf assertEachOneOf checkAssertWarn checkListOfEnum; };
    filesystem = {
      inherit (builtins) baseNameOf dirOf isPath readDir readFileType hashFile;
      inherit (files) pathType pathIsDirectory pathIsRegularFile listFilesRecursive
        packagesFromDirectoryRecursive haskellPathsInDir locateDominatingFile resolveDefaultNix;
    };
    sources = {
      inherit (builtins) filterSource;
      inherit (files) cleanSource cleanSourceFilter cleanSourceWith sourceByRegex sourceByGlobs
        sourceFilesBySuffices canCleanSource pathHasContext pathIsGitRepo commitIdFromGitRepo urlToName shortRev
        revOrTag repoRevToName;
      trace = files.traceSource;
    };
    derivations = {
      inherit (builtins) addDrvOutputDependencies unsafeDiscardOutputDependency;
      inherit (customisation) lazyDerivation warnOnInstantiate;
      inherit (attrsets) optionalDrvAttr;
    };
    flakes = { inherit (builtins) parseFlakeRef flakeRefToString; };
    types = prim.types // {
      inherit (typeTools) isType setType isOptionType mkOptionType defaultFunctor defaultTypeMerge;
      inherit (moreTypes) attrListOf attrListWith attrTag fileset loaOf luaInline mergeTypes
        noCheckForDocsModule optionDeclaration optionDescriptionPhrase passwdEntry pkgs serializableValueWith;
      inherit (lib) types;
    };
    gvariant = load "gvariant" arg;
    kernel = load "kernel" arg;
    inherit debug network fetchers stringsWithDeps;
    misc = old;

    # The names at the top, by the topic that they come from: a topic is read when one
    # of its names is.
    inherit (trivial) add and assertMsg assertOneOf bitAnd bitNot bitOr bitXor boolToString boolToYesNo ceil
      checkListOfEnum compare composeExtensions composeManyExtensions concat const converge deepSeq defaultTo
      div extends fetchTarball fetchurl filterSource fix fix' flip floor fromHexString fromJSON fromTOML
      functionArgs genericClosure getContext hasContext hashFile hashString id importJSON importTOML inNixShell
      inPureEvalMode info isAttrs isBool isFloat isFunction isInOldestRelease isInOldestSupportedRelease isInt
      isList isPath isString lessThan makeExtensible makeExtensibleWithCustomName mapNullable max mergeAttrs min
      mirrorFunctionArgs mod mul nixpkgsVersion oldestSupportedReleaseIsAtLeast or pathExists pipe placeholder
      readDir readFile release seq setFunctionArgs showWarnings splitByAndCompare sub throwIf throwIfNot
      toBaseDigits toExtension toFunction toHexString toJSON toString toXML trace tryEval typeOf
      unsafeDiscardOutputDependency unsafeDiscardStringContext version versionSuffix warn warnIf warnIfNot xor;
    inherit (lists) all allUnique any compareLists concatAttrValues concatMapImap0 count crossLists drop dropEnd
      elem elemAt filter findFirst findSingle flatten fold foldl foldl' foldr forEach genList groupBy groupBy'
      head ifilter0 imap0 imap1 init intersectLists joinLists last length listDfs mutuallyExclusive naturalSort
      optional optionals partition range remove replaceElemAt replicate reverseList singleton sort sortOn
      sublist subtractLists tail take takeEnd toList toposort unique uniqueStrings zipLists zipListsWith;
    inherit (attrsets) attrByPath attrNames attrVals attrValues attrsToList cartesianProduct catAttrs
      chooseDevOutputs collect concatMapAttrs dontRecurseIntoAttrs filterAttrs filterAttrsRecursive foldAttrs
      foldlAttrs genAttrs genAttrs' getAttr getAttrFromPath getAttrs getBin getDev getFirstOutput getInclude
      getLib getMan getOutput getStatic hasAttr hasAttrByPath intersectAttrs invertAttrs isDerivation
      listToAttrs longestValidPathPrefix mapAttrs mapAttrs' mapAttrsRecursive mapAttrsRecursiveCond
      mapAttrsToList mapAttrsToListRecursive mapAttrsToListRecursiveCond mapCartesianProduct matchAttrs
      mergeAttrsList nameValuePair optionalAttrs optionalDrvAttr overrideExisting recurseIntoAttrs
      recursiveUpdate recursiveUpdateUntil removeAttrs setAttrByPath showAttrPath toDerivation unionOfDisjoint
      updateManyAttrsByPath zipAttrs zipAttrsWith zipAttrsWithNames;
    inherit (strings) addContextFrom appendContext baseNameOf cmakeBool cmakeFeature cmakeOptionType
      commonPrefixLength compareVersions concatImapStrings concatImapStringsSep concatLines
      concatMapAttrsStringSep concatMapStrings concatMapStringsSep concatStrings concatStringsSep dirOf
      enableFeature enableFeatureAs escape escapeC escapeNixIdentifier escapeNixString escapeRegex
      escapeShellArg escapeShellArgs escapeURL escapeXML fileContents fixedWidthNumber fixedWidthString
      floatToString getName getVersion hasInfix hasPrefix hasSuffix intersperse isConvertibleWithToString
      isStorePath isStringLike isValidPosixName join levenshtein lowerChars makeBinPath makeIncludePath
      makeLibraryPath makeSearchPath makeSearchPathOutput match mesonBool mesonEnable mesonOption nameFromURL
      normalizePath optionalString parseDrvName readPathsFromFile removePrefix removeSuffix replaceString
      replaceStrings sanitizeDerivationName split splitString splitStringBy splitVersion storeDir stringAsChars
      stringLength stringToCharacters substring toCamelCase toFile toInt toIntBase10 toLower toSentenceCase
      toShellVar toShellVars toUpper trim trimWith upperChars versionAtLeast versionOlder withFeature
      withFeatureAs;
    inherit (options) getFiles getValues isOption literalDocBook literalExample literalExpression literalMD
      mdDoc mergeDefaultOption mergeEqualOption mergeOneOption mergeUniqueOption mkEnableOption mkOption
      mkPackageOption mkPackageOptionMD mkSinkUndeclaredOptions optionAttrSetToDocList optionAttrSetToDocList'
      renderOptionValue scrubOptionValue showFiles showOption showOptionWithDefLocs unknownModule;
    inherit (modules) applyModuleArgsIfFunction defaultOrderPriority defaultOverridePriority dischargeProperties
      doRename evalModules evalOptionValue filterOverrides fixMergeModules fixupOptionType mergeDefinitions
      mergeModules mergeModules' mergeOptionDecls mkAfter mkAliasAndWrapDefinitions
      mkAliasAndWrapDefsWithPriority mkAliasDefinitions mkAliasOptionModule mkAliasOptionModuleMD mkAssert
      mkBefore mkChangedOptionModule mkDefault mkDefinition mkDerivedConfig mkFixStrictness mkForce mkIf
      mkImageMediaOverride mkMerge mkMergedOptionModule mkOptionDefault mkOrder mkOverride mkRemovedOptionModule
      mkRenamedOptionModule mkRenamedOptionModuleWith mkVMOverride pushDownProperties setDefaultModuleLocation
      sortProperties unifyModuleSyntax;
    inherit (typeTools) defaultFunctor defaultTypeMerge isOptionType isType mkOptionType setType;
    inherit (meta) addMetaAttrs appendToName availableOn dontDistribute fakeHash fakeSha256 fakeSha512 getExe
      getExe' getLicenseFromSpdxId getLicenseFromSpdxIdOr hiPrio hiPrioSet licenses licensesSpdx lowPrio
      lowPrioSet maintainers mapDerivationAttrset platforms setName setPrio sourceTypes systems teams
      updateName;
    inherit (customisation) callPackageWith callPackagesWith extendDerivation extendMkDerivation hydraJob
      lazyDerivation makeOverridable makeScope makeScopeWithSplicing makeScopeWithSplicing' mapCrossIndex
      overrideDerivation renameCrossIndexFrom renameCrossIndexTo warnOnInstantiate;
    inherit (files) canCleanSource cleanSource cleanSourceFilter cleanSourceWith commitIdFromGitRepo fileset
      listFilesRecursive packagesFromDirectoryRecursive path pathHasContext pathIsDirectory pathIsGitRepo
      pathIsRegularFile pathType repoRevToName revOrTag sourceByRegex sourceFilesBySuffices;
    inherit (debug) addErrorContext unsafeGetAttrPos runTests testAllTrue traceIf traceVal traceValFn traceSeq
      traceSeqN traceValSeq traceValSeqFn traceValSeqN traceValSeqNFn traceFnSeqN;
    inherit (network.ipv6) mkEUI64Suffix;
    inherit (stringsWithDeps) textClosureList textClosureMap noDepEntry fullDepEntry packEntry stringAfter;
    inherit (generators) mkLuaInline;
    inherit (old) checkFlag checkReqs closePropagation condConcat defaultMerge defaultMergeArg foldArgs getValue
      ifEnable imap innerClosePropagation innerModifySumArgs lazyGenericClosure maybeAttr maybeAttrNullable
      maybeEnv mergeAttrBy mergeAttrByFunc mergeAttrsByFuncDefaults mergeAttrsByFuncDefaultsClean
      mergeAttrsConcatenateValues mergeAttrsNoOverride mergeAttrsWithFunc modifySumArgs nixType nvs setAttr
      setAttrMerge uniqList uniqListExt;
    inherit (builtins) addDrvOutputDependencies concatLists concatMap convertHash map parseFlakeRef
      flakeRefToString readFileType;
    inherit meta;

    extend = overlay: lib // overlay lib lib;
  };
in
lib
