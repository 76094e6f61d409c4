# What a program may use, told to it in its environment. (With limits.memory and
# the like, the kernel enforces it.)
#
#   nix2gpu up        then: nix2gpu logs memory-intensive
{
  systemPackages = [ pkgs.python3 ];   # for the program, in an image

  services.custom."memory-intensive" = {
    enable = true;
    command = "big-ml-model --memory-limit 8G";

    environment = {
      # limit CPU cores
      GOMAXPROCS = "4";

      # limit memory
      GOMEMLIMIT = "8GiB";

      # GPU allocation
      CUDA_VISIBLE_DEVICES = "0";
    };
  };
}
