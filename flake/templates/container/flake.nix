{
  description = "A container with Redis and a program that uses it";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    flake-parts.url = "github:hercules-ci/flake-parts";
    nix2gpu.url = "github:fleek-platform/nix2gpu";
  };

  outputs =
    inputs@{ flake-parts, ... }:
    flake-parts.lib.mkFlake { inherit inputs; } {
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      imports = [ inputs.nix2gpu.flakeModules.default ];

      # nix run .#app: its services, here. nix build .#app: its image, after "nix2gpu lock".
      perSystem.nix2gpu."app" = {
        services.redis."cache".enable = true;
        services.custom."hello" = {
          enable = true;
          command = "redis-cli incr visits && exec sleep infinity";
          depends_on.redis = "ready";
        };
      };
    };
}
