# The program, from this source.
{
  lib,
  buildGoModule,
  version ? "dirty",
}:
buildGoModule {
  pname = "nix2gpu";
  inherit version;
  src = lib.cleanSource ../.;
  vendorHash = "sha256-0hGnjgk0fmIqb74BxXOMO3oOiHOBEfJu9HBKYnXpWVo="; # of "go mod vendor": TestVendorHash says what it is
  subPackages = [ "cmd/nix2gpu" ];
  env.CGO_ENABLED = "0";
  ldflags = [
    "-s"
    "-w"
    "-X nix2gpu/internal/cli.buildVersion=${version}"
  ];
  doCheck = false; # the tests want real servers, and a day of an idle machine
  meta = {
    description = "Runs the services of a container definition, and builds its image";
    license = lib.licenses.asl20;
    mainProgram = "nix2gpu";
    platforms = lib.platforms.linux;
  };
}
