# The package set of a definition, beside the packages themselves: what builds
# files out of text needs no Nix store, and what only a store can do says so.
#
# prim is from pkgs.go: package, set, file, join, farm, runCommand, toTOML, unsupported.
{ lib, prim, system, pkgs }:
let
  inherit (prim) file unsupported;

  # A file, or a folder with one file in it when it has a destination.
  writeTextFile = { name, text, executable ? false, destination ? "", ... }@args:
    file {
      inherit name text executable destination;
      # null where the file itself is the package, and nothing where there is no program.
      mainProgram =
        if destination == "" then null
        else args.meta.mainProgram or (if lib.hasPrefix "/bin/" destination then baseNameOf destination else "");
    };
  writeText = name: text: writeTextFile { inherit name text; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text: writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; };

  shell = "${pkgs.bash}/bin/bash";
  bashScript = text: "#!${shell}\n${text}\n";

  writer = interpreter: name: arg:
    let
      text = if builtins.isAttrs arg && !(arg ? outPath) then throw "not supported: options of a script writer" else arg;
      isPath = lib.hasPrefix "/" name;
    in
    writeTextFile ({
      name = baseNameOf name;
      text = "#!${interpreter}\n${text}\n";
      executable = true;
    } // lib.optionalAttrs isPath { destination = name; });
  python = name: args: text: writer "${pkgs.python3}/bin/python3" name text;

  # A format: the type of a value that it can say, and a file of it.
  json = lib.types.nullOr (lib.types.oneOf [ lib.types.bool lib.types.int lib.types.float lib.types.str (lib.types.listOf lib.types.anything) (lib.types.attrsOf lib.types.anything) ]);
  format = type: render: { inherit type; generate = name: value: writeText name (render value); };
  settings = lib.types.attrsOf lib.types.anything;
  sections = lib.types.attrsOf (lib.types.attrsOf lib.types.anything);

  platform = {
    inherit system;
    isLinux = lib.hasSuffix "-linux" system;
    isDarwin = lib.hasSuffix "-darwin" system;
    isx86_64 = lib.hasPrefix "x86_64-" system;
    isAarch64 = lib.hasPrefix "aarch64-" system;
    is64bit = true;
  };

  no = name: what: unsupported "pkgs.${name} ${what}";
  builder = name: no name "builds with Nix; install the program on this machine and name its package, or run it by path";
  fetcher = name: no name "downloads into the Nix store; use a local path";
in
{
  inherit lib system pkgs writeTextFile writeText writeScript writeScriptBin;
  config = { };
  overlays = [ ];
  extend = overlay: lib.fix (final: pkgs // overlay final pkgs);
  appendOverlays = overlays: lib.fix (final: builtins.foldl' (prev: overlay: prev // overlay final prev) pkgs overlays);
  callPackage = lib.callPackageWith pkgs;
  newScope = extra: lib.callPackageWith (pkgs // extra);

  writeTextDir = path: text: writeTextFile { inherit text; name = baseNameOf path; destination = "/${path}"; };
  writeShellScript = name: text: writeTextFile { inherit name; text = bashScript text; executable = true; };
  writeShellScriptBin = name: text:
    writeTextFile { inherit name; text = bashScript text; executable = true; destination = "/bin/${name}"; };
  writeShellApplication = { name, text, runtimeInputs ? [ ], runtimeEnv ? null, bashOptions ? [ "errexit" "nounset" "pipefail" ], inheritPath ? true, meta ? { }, ... }:
    writeTextFile {
      inherit name meta;
      executable = true;
      destination = "/bin/${name}";
      text = ''
        #!${shell}
        ${lib.concatMapStringsSep "\n" (o: "set -o ${o}") bashOptions}
      '' + lib.concatStrings (lib.mapAttrsToList (n: v: "${lib.toShellVar n v}\nexport ${n}\n") (if runtimeEnv == null then { } else runtimeEnv))
      + lib.optionalString (runtimeInputs != [ ]) ''
        export PATH="${lib.makeBinPath runtimeInputs}${lib.optionalString inheritPath ":$PATH"}"
      '' + "\n${text}\n";
    };
  writers = {
    writeText = writeText;
    writeBash = writer shell;
    writeBashBin = name: writer shell "/bin/${name}";
    writeDash = writer "${pkgs.dash}/bin/dash";
    writePython3 = python;
    writePython3Bin = name: python "/bin/${name}";
    writeJSON = name: value: writeText name (builtins.toJSON value);
    writeYAML = name: value: writeText name (builtins.toJSON value);
    writeTOML = name: value: writeText name (prim.toTOML value);
  };
  concatText = name: files: writeText name (lib.concatMapStrings builtins.readFile files);
  concatTextFile = { name, files, ... }: writeText name (lib.concatMapStrings builtins.readFile files);
  emptyFile = writeText "empty-file" "";

  formats = {
    json = _: format json builtins.toJSON;
    yaml = _: format json builtins.toJSON; # every JSON text is YAML
    yaml_1_1 = _: format json builtins.toJSON;
    yaml_1_2 = _: format json builtins.toJSON;
    toml = _: format settings prim.toTOML;
    ini = args: format sections (lib.generators.toINI (builtins.removeAttrs args [ "atomType" "listToValue" ]));
    iniWithGlobalSection = args: format settings (lib.generators.toINIWithGlobalSection args);
    keyValue = args: format settings (lib.generators.toKeyValue (builtins.removeAttrs args [ "listToValue" ]));
    nixConf = _: format settings (lib.generators.toKeyValue { mkKeyValue = lib.generators.mkKeyValueDefault { } " = "; });
    javaProperties = _: format settings (lib.generators.toKeyValue { });
    gitIni = _: format settings lib.generators.toGitINI;
  } // lib.genAttrs [ "cdn" "configobj" "elixirConf" "hcl1" "hocon" "libconfig" "lua" "php" "plist" "pythonVars" "xml" ] (name:
    no "formats.${name}" "is a format that only Nix writes here; write the text with pkgs.writeText");

  # Several packages as one: each program is taken from the first that has it.
  symlinkJoin = { name, paths, meta ? { }, ... }: lib.addMetaAttrs meta (prim.join name paths);
  buildEnv = { name, paths, meta ? { }, ... }: lib.addMetaAttrs meta (prim.join name paths);
  linkFarm = name: entries:
    prim.farm name (if builtins.isAttrs entries then lib.mapAttrsToList (name: path: { inherit name path; }) entries else entries);
  linkFarmFromDrvs = name: drvs: prim.farm name (map (d: { inherit (d) name; path = d; }) drvs);

  stdenv = {
    inherit system;
    hostPlatform = platform;
    buildPlatform = platform;
    targetPlatform = platform;
    inherit (platform) isLinux isDarwin isx86_64 isAarch64;
    shell = shell;
    mkDerivation = args:
      let all = if builtins.isFunction args then lib.fix args else args; in
      if !(all ? buildCommand) then builder "stdenv.mkDerivation"
      else prim.runCommand "stdenv.mkDerivation" (all.name or "${all.pname}-${all.version}") (removeAttrs all [ "buildCommand" ]) all.buildCommand;
    cc = prim.package "gcc";
  };
  stdenvNoCC = pkgs.stdenv;
  hostPlatform = platform;
  runtimeShell = shell;
  shellcheck-minimal = prim.package "shellcheck";

  runCommand = prim.runCommand "runCommand";
  runCommandLocal = prim.runCommand "runCommandLocal";
  runCommandCC = name: _: builder "runCommandCC (${name})";
  makeSetupHook = builder "makeSetupHook";
  buildGoModule = builder "buildGoModule";
  buildNpmPackage = builder "buildNpmPackage";
  rustPlatform.buildRustPackage = builder "rustPlatform.buildRustPackage";
  mkShell = _: { type = "derivation"; name = "shell"; outPath = builder "mkShell"; };
  mkShellNoCC = _: { type = "derivation"; name = "shell"; outPath = builder "mkShellNoCC"; };
  buildFHSEnv = builder "buildFHSEnv";
  fetchurl = fetcher "fetchurl";
  fetchzip = fetcher "fetchzip";
  fetchgit = fetcher "fetchgit";
  fetchFromGitHub = fetcher "fetchFromGitHub";
  fetchFromGitLab = fetcher "fetchFromGitLab";
  dockerTools = builtins.listToAttrs (map (n: { name = n; value = no "dockerTools.${n}" "builds an image with Nix; use `nix2gpu build`"; })
    [ "buildImage" "buildLayeredImage" "streamLayeredImage" "pullImage" ]);
}
