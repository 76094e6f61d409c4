# A program whose databases run elsewhere: their addresses are its
# environment. That one of them can't be reached does not keep it from
# starting.
#
#   nix2gpu up        then: curl http://127.0.0.1:8080/
{
  systemPackages = [ pkgs.python3 ];   # for the program, in an image

  services.custom."app" = {
    enable = true;
    command = "my-app";
    environment = {
      # external postgres via tailscale
      DATABASE_URL = "postgresql://db.tailnet.local:5432/myapp";

      # external redis via public endpoint
      REDIS_URL = "rediss://my-redis.aws.com:6380";
    };
  };
}
