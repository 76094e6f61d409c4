# How functions that fetch sources name a digest; lib.fetchers only.
{ lib, ... }:
let
  fake = { hash = lib.fakeHash; sha256 = lib.fakeSha256; sha512 = lib.fakeSha512; };
in
rec {
  # The variables of a proxy, which a fetcher may see.
  proxyImpureEnvVars = [
    "http_proxy" "https_proxy" "ftp_proxy" "all_proxy" "no_proxy"
    "HTTP_PROXY" "HTTPS_PROXY" "FTP_PROXY" "ALL_PROXY" "NO_PROXY"
    "NIX_SSL_CERT_FILE"
  ];

  # Arguments with hash, sha256, … become ones with outputHash and outputHashAlgo.
  normalizeHash = { hashTypes ? [ "sha256" ], required ? true }: args:
    let
      names = [ "hash" ] ++ hashTypes;
      given = builtins.filter (name: args ? ${name}) (builtins.sort builtins.lessThan names);
      name = builtins.head given;
      value = args.${name};
    in
    if args ? outputHash then args
    else builtins.removeAttrs args names // (
      if given == [ ] then lib.throwIf required "fetchers.normalizeHash: there is no hash among the arguments: write hash = lib.fakeHash" { }
      else if builtins.length given > 1 then
        throw "fetchers.normalizeHash: only one of these may be given: ${lib.concatStringsSep ", " given}"
      else {
        outputHashAlgo = if name == "hash" then null else name;
        outputHash =
          if value != "" then value
          else fake.${name} or (throw "fetchers.normalizeHash: ${name} must not be empty");
      });

  withNormalizedHash = { hashTypes ? [ "sha256" ] }: fetcher:
    let
      wanted = lib.functionArgs fetcher;
      normal = normalizeHash { inherit hashTypes; required = !wanted.outputHash; };
    in
    assert lib.assertMsg (wanted ? outputHash && wanted ? outputHashAlgo)
      "fetchers.withNormalizedHash: the function must take outputHash and outputHashAlgo";
    assert lib.assertMsg (!(builtins.any (name: wanted ? ${name}) ([ "hash" ] ++ hashTypes)))
      "fetchers.withNormalizedHash: the function must not take a hash itself";
    lib.setFunctionArgs (args: fetcher (normal args))
      (builtins.removeAttrs wanted [ "outputHash" "outputHashAlgo" ] // { hash = wanted.outputHash; });
}
