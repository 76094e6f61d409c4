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

  hidden = [ "trivial" "hexDigits" "keywords" "asciiTable" "printable" "charToInt" "dirOf'" ];

  lib = strings
    // builtins.removeAttrs lists [ "hasPrefix" "removePrefix" "commonPrefix" "commonPrefixLength" "findFirstIndex" "replaceStrings" ]
    // attrsets
    // builtins.removeAttrs trivial hidden
    // { inherit (strings) replaceStrings commonPrefixLength hasPrefix removePrefix; inherit (lists) replicate; }
    // builtins.removeAttrs options [ "showDefs" ]
    // builtins.removeAttrs modules [ "importJSON" "importTOML" "importApply" ]
    // typeTools
    // meta
    // customisation
    // files
    // {
      inherit attrsets lists strings versions generators options modules customisation cli;
      trivial = builtins.removeAttrs trivial [ "trivial" ];
      fixedPoints = {
        inherit (trivial) fix fix' converge extends composeExtensions composeManyExtensions
          makeExtensible makeExtensibleWithCustomName toExtension;
      };
      asserts = { inherit (trivial) assertMsg assertOneOf checkListOfEnum; };
      debug = { inherit (trivial) traceIf traceVal traceValFn traceSeq traceValSeq; };
      filesystem = { inherit (files) pathType pathIsDirectory pathIsRegularFile listFilesRecursive packagesFromDirectoryRecursive; };
      sources = { inherit (files) cleanSource cleanSourceFilter cleanSourceWith sourceByRegex sourceFilesBySuffices canCleanSource; };
      types = prim.types // {
        inherit (typeTools) isType setType isOptionType mkOptionType defaultFunctor defaultTypeMerge;
      };
      inherit meta;
      inherit (builtins) concatLists concatMap map;

      extend = overlay: lib // overlay lib lib;
    };
in
lib
