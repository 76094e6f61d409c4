# The image of a container, as an OCI layout. Nix fetches what nix2gpu.lock names, by its
# hashes, so the build itself needs no network.
{
  lib,
  pkgs,
  package,
  archives,
  source,
  inputs,
  name,
}:
let
  lockFile = "${source}/nix2gpu.lock";
  lock = builtins.fromJSON (builtins.readFile lockFile);
  arch =
    {
      x86_64-linux = "amd64";
      aarch64-linux = "arm64";
    }
    .${pkgs.stdenv.hostPlatform.system};
  container = lock.containers.${name}.${arch};

  roots = {
    debian = "https://deb.debian.org/debian";
    debian-security = "https://security.debian.org/debian-security";
  }
  // archives;
  root =
    p:
    roots.${p.archive}
      or (throw "nix2gpu: nix2gpu.lock takes ${p.name} from the archive ${p.archive}: set nix2gpuSettings.archives.${p.archive} to its URL");

  wanted = lib.genAttrs container.packages (_: true);
  packages = builtins.filter (p: wanted ? ${p.name}) lock.packages.${arch};
  files = builtins.filter (f: lib.elem f.url (lib.attrValues (container.archives or { }))) (lock.archives or [ ]);
  wheels = (lock.wheels.${name} or { }).${arch}.files or [ ];

  fetched =
    map (p: {
      name = "packages/${p.sha256}.deb";
      path = pkgs.fetchurl {
        name = "${p.sha256}.deb";
        url = "${root p}/${p.path}";
        inherit (p) sha256;
      };
    }) packages
    ++ map (f: {
      name = "files/${f.sha256}";
      path = pkgs.fetchurl { inherit (f) url sha256; };
    }) files
    ++ map (w: {
      name = "wheels/${w.sha256}.whl";
      path = pkgs.fetchurl {
        name = w.file;
        # As nixpkgs' fetchPypi has it: the index finds the file by its name.
        url = "https://files.pythonhosted.org/packages/py3/${builtins.substring 0 1 w.name}/${w.name}/${w.file}";
        inherit (w) sha256;
      };
    }) wheels;
in
if !builtins.pathExists lockFile then
  throw "nix2gpu: the image of ${name} needs nix2gpu.lock, which says what is in it: run \"nix2gpu lock\", and add the file to git"
else if !(lock.containers ? ${name} && lock.containers.${name} ? ${arch}) then
  throw "nix2gpu: nix2gpu.lock has no container ${name} for ${arch}: run \"nix2gpu lock --platform linux/${arch}\""
else if container ? base then
  throw "nix2gpu: the image of ${name} is put on another one, which Nix cannot fetch by its digest: run \"nix2gpu build\" instead"
else
  pkgs.runCommand name
    {
      nativeBuildInputs = [ package ];
      # What the definition may import has to be there while it is evaluated.
      inherit inputs;
      passthru = {
        inherit fetched;
      };
    }
    ''
      export HOME="$TMPDIR" XDG_CACHE_HOME="$TMPDIR/cache"
      mkdir -p "$XDG_CACHE_HOME/nix2gpu"
      cp -rL --no-preserve=mode ${pkgs.linkFarm "nix2gpu-cache" fetched}/. "$XDG_CACHE_HOME/nix2gpu"
      nix2gpu build --file ${source} --container ${name} --offline --locked -o "$out"
    ''
