{
  description = "Runs the services of a container definition, and builds the image that does the same";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      each =
        f: nixpkgs.lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: f nixpkgs.legacyPackages.${system});
      build = pkgs: pkgs.callPackage ./flake/package.nix { version = self.shortRev or "dirty"; };
      module = import ./flake/module.nix { nix2gpu = self.packages; };
    in
    {
      packages = each (pkgs: rec {
        nix2gpu = build pkgs;
        default = nix2gpu;
      });
      overlays.default = final: prev: { nix2gpu = build final; };

      # For flake-parts: containers in perSystem.nix2gpu, each with a package, which is its
      # image, and an app, which runs its services.
      flakeModules.default = module;
      flakeModule = module;

      templates.default = {
        path = ./flake/templates/container;
        description = "a container with Redis and a program of one's own";
      };

      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.go
            pkgs.gnumake
            pkgs.postgresql
            pkgs.redis
            pkgs.nginx
          ];
        };
      });
    };
}
