# Facts about packages: licences, platforms, main programs.
{ lib, prim }:
let
  # Names and platforms are data that programs only pass on, so anything that
  # is asked for exists.
  license = shortName: spdxId: free: {
    licenseType = "simple";
    inherit shortName free;
    fullName = if spdxId == null then shortName else spdxId;
    deprecated = false;
    redistributable = free;
  } // lib.optionalAttrs (spdxId != null) { inherit spdxId; };

  # A licence that is made of others is true of something if all its parts are; one with a
  # choice, if one of them is. For who asks whether anything is required it is the other way.
  judge = of: permissive: l:
    if l.licenseType or "simple" == "simple" then of l
    else
      let some = l.licenseType == "compound" && (l.operator == "OR") == permissive; in
      (if some then builtins.any else builtins.all) (judge of permissive) (l.licenses or [ l.license ] ++ lib.optional (l ? exception) l.exception);
  asSPDX = l:
    let part = p: if builtins.elem p.licenseType or "simple" [ "compound" "exception" ] then "(${asSPDX p})" else asSPDX p; in
    {
      simple = l.spdxId or "LicenseRef-nixos-${l.shortName}";
      compound = lib.concatMapStringsSep " ${l.operator} " part l.licenses;
      exception = "${part l.license} ${l.operator} ${part l.exception}";
      plus = "${part l.license}${l.operator}";
    }.${l.licenseType or "simple"};
in
rec {
  licenses = builtins.mapAttrs (name: id: license name id true)
    {
      agpl3Only = "AGPL-3.0-only"; agpl3Plus = "AGPL-3.0-or-later"; asl20 = "Apache-2.0";
      bsd0 = "0BSD"; bsd2 = "BSD-2-Clause"; bsd3 = "BSD-3-Clause"; boost = "BSL-1.0";
      cc0 = "CC0-1.0"; cc-by-40 = "CC-BY-4.0"; cc-by-sa-40 = "CC-BY-SA-4.0"; epl20 = "EPL-2.0";
      gpl2 = "GPL-2.0"; gpl2Only = "GPL-2.0-only"; gpl2Plus = "GPL-2.0-or-later";
      gpl3 = "GPL-3.0"; gpl3Only = "GPL-3.0-only"; gpl3Plus = "GPL-3.0-or-later";
      isc = "ISC"; lgpl21 = "LGPL-2.1"; lgpl21Plus = "LGPL-2.1-or-later"; lgpl3 = "LGPL-3.0";
      lgpl3Plus = "LGPL-3.0-or-later"; mit = "MIT"; mpl20 = "MPL-2.0"; ofl = "OFL-1.1";
      postgresql = "PostgreSQL"; psfl = "Python-2.0"; publicDomain = "LicenseRef-public-domain";
      unlicense = "Unlicense"; wtfpl = "WTFPL"; zlib = "Zlib"; eupl11 = "EUPL-1.1"; eupl12 = "EUPL-1.2"; artistic2 = "Artistic-2.0";
      llvm-exception = "LLVM-exception"; free = null;
    }
  // builtins.mapAttrs (name: id: license name id false) {
    unfree = null; bsl11 = "BUSL-1.1"; sspl = "SSPL-1.0"; elastic20 = "Elastic-2.0";
  }
  // {
    unfreeRedistributable = license "unfreeRedistributable" null false // { redistributable = true; };
    AND = licenses: { licenseType = "compound"; operator = "AND"; inherit licenses; };
    OR = licenses: { licenseType = "compound"; operator = "OR"; inherit licenses; };
    WITH = license: exception: { licenseType = "exception"; operator = "WITH"; inherit license exception; };
    PLUS = license: { licenseType = "plus"; operator = "+"; inherit license; };
    evaluateProperty = judge;
    evaluateNamedProperty = name: judge (l: l.${name});
    isFree = judge (l: l.free) true;
    isRedistributable = judge (l: l.redistributable) true;
    containsLicenses = some: judge (l: builtins.elem l some) false;
    toSPDX = asSPDX;
  };
  maintainers = prim.anybody or { };
  teams = prim.anybody or { };
  sourceTypes = builtins.listToAttrs (map
    (name: { inherit name; value = { shortName = name; isSource = name == "fromSource"; }; })
    [ "fromSource" "binaryNativeCode" "binaryBytecode" "binaryFirmware" "obfuscatedCode" ]);

  platforms = {
    all = systems.doubles.all;
    unix = systems.doubles.all;
    inherit (systems.doubles) linux darwin x86_64 aarch64;
    none = [ ];
  };
  systems = {
    flakeExposed = [
      "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" "armv6l-linux" "armv7l-linux"
      "i686-linux" "powerpc64le-linux" "riscv64-linux" "x86_64-freebsd"
    ];
    doubles = rec {
      linux = [ "x86_64-linux" "aarch64-linux" "armv6l-linux" "armv7l-linux" "i686-linux" "powerpc64le-linux" "riscv64-linux" ];
      darwin = [ "x86_64-darwin" "aarch64-darwin" ];
      all = linux ++ darwin ++ [ "x86_64-freebsd" ];
      x86_64 = builtins.filter (lib.hasPrefix "x86_64-") all;
      aarch64 = builtins.filter (lib.hasPrefix "aarch64-") all;
    };
    supported = { hydra = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ]; };
    elaborate = arg:
      let
        system = if builtins.isString arg then arg else arg.system;
        parts = lib.splitString "-" system;
        cpu = builtins.head parts;
        kernel = lib.last parts;
      in {
        inherit system;
        config = "${cpu}-unknown-${kernel}${lib.optionalString (kernel == "linux") "-gnu"}";
        parsed = { cpu.name = cpu; kernel.name = kernel; };
        isLinux = kernel == "linux";
        isDarwin = kernel == "darwin";
        isx86_64 = cpu == "x86_64";
        isAarch64 = cpu == "aarch64";
        is64bit = lib.hasInfix "64" cpu;
      };
  };

  getExe = pkg: getExe' pkg (pkg.meta.mainProgram or (lib.getName pkg));
  getExe' = pkg: program:
    if !lib.isDerivation pkg then throw "getExe': the first argument must be a package, and is a ${builtins.typeOf pkg}"
    else if lib.hasInfix "/" program then throw "getExe': ${builtins.toJSON program} is a path, and must be the name of a program"
    else "${lib.getBin pkg}/bin/${program}";

  addMetaAttrs = meta: pkg:
    if pkg ? overrideAttrs then pkg.overrideAttrs (old: { meta = old.meta or { } // meta; })
    else pkg // { meta = pkg.meta or { } // meta; };
  setName = name: pkg: pkg // { inherit name; };
  updateName = f: pkg: pkg // { name = f pkg.name; };
  appendToName = suffix: updateName (name: let n = builtins.parseDrvName name; in "${n.name}-${suffix}-${n.version}");
  mapDerivationAttrset = f: builtins.mapAttrs (_: v: if lib.isDerivation v then f v else v);
  defaultPriority = 5;
  setPrio = priority: addMetaAttrs { inherit priority; };
  lowPrio = setPrio 10;
  hiPrio = setPrio (-10);
  lowPrioSet = mapDerivationAttrset lowPrio;
  hiPrioSet = mapDerivationAttrset hiPrio;
  dontDistribute = addMetaAttrs { hydraPlatforms = [ ]; };
  # A pattern is the name of a system, or a set of which a platform has all.
  platformMatch = platform: pattern:
    if builtins.isString pattern then platform.system or null == pattern
    else lib.matchAttrs (if pattern ? parsed then pattern else { parsed = pattern; }) platform;
  availableOn = platform: pkg:
    let listed = builtins.any (platformMatch platform); in
    (pkg ? meta.platforms -> listed pkg.meta.platforms) && !(listed (pkg.meta.badPlatforms or [ ]));
  licensesSpdx = lib.mapAttrs' (_: l: { name = l.spdxId; value = l; }) (lib.filterAttrs (_: l: l ? spdxId) licenses);
  getLicenseFromSpdxId = id: getLicenseFromSpdxIdOr id
    (lib.warn "getLicenseFromSpdxId: there is no licence ${id}" { shortName = id; spdxId = id; });
  getLicenseFromSpdxIdOr =
    let lower = lib.mapAttrs' (id: value: { name = lib.toLower id; inherit value; }) licensesSpdx;
    in id: default: lower.${lib.toLower id} or default;
  cpeFullVersionWithVendor = vendor: version: { inherit vendor version; update = "*"; };
  fakeHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  fakeSha256 = lib.strings.replicate 64 "0";
  fakeSha512 = lib.strings.replicate 128 "0";
}
