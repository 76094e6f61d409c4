# What `import nixpkgs { … }` means here: the package set that definitions see.
{ system ? builtins.currentSystem, localSystem ? null, overlays ? [ ], ... }:
(builtins.nix2gpuPkgs (if localSystem == null then system else localSystem.system or localSystem)).appendOverlays overlays
