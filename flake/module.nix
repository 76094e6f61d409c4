# For flake-parts. What a container is, nix2gpu evaluates by itself; Nix needs its name
# alone, and never looks into its definition.
{ nix2gpu }:
{
  lib,
  flake-parts-lib,
  self,
  inputs,
  ...
}:
{
  _file = "nix2gpu/flake/module.nix";

  options.perSystem = flake-parts-lib.mkPerSystemOption (
    {
      config,
      pkgs,
      system,
      ...
    }:
    let
      cfg = config.nix2gpuSettings;
      names = lib.attrNames config.nix2gpu;
    in
    {
      _file = "nix2gpu/flake/module.nix";

      options.nix2gpu = lib.mkOption {
        type = lib.types.lazyAttrsOf lib.types.deferredModule;
        default = { };
        description = "Containers by name: their services, packages and ports, as `nix2gpu options` lists them.";
      };
      options.nix2gpuSettings = {
        package = lib.mkOption {
          type = lib.types.package;
          default = nix2gpu.${system}.default;
          defaultText = lib.literalMD "this flake's own";
          description = "The nix2gpu that runs services, builds images and is their first process.";
        };
        archives = lib.mkOption {
          type = lib.types.attrsOf lib.types.str;
          default = { };
          example = {
            debian = "https://mirror.example.org/debian";
          };
          description = "Where the packages of an image come from: URLs by the names of archives in nix2gpu.lock.";
        };
      };

      config = {
        packages = lib.genAttrs names (
          name:
          lib.mkDefault (
            import ./image.nix {
              inherit lib pkgs name;
              inherit (cfg) package archives;
              inputs = lib.attrValues (removeAttrs inputs [ "self" ]);
              source = self;
            }
          )
        );
        apps = lib.genAttrs names (
          name:
          lib.mkDefault {
            type = "app";
            program = "${
              pkgs.writeShellScriptBin name ''exec ${cfg.package}/bin/nix2gpu up --file . --container ${name} "$@"''
            }/bin/${name}";
          }
        );
      };
    }
  );
}
