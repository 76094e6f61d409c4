{
  services.redis = {
    "session-store" = { enable = true; port = 6379; };
    open = { enable = true; bind = "*"; port = 6380; settings = { maxmemory = "100mb"; save = [ "900 1" "300 10" ]; appendonly = true; }; };
    local = { enable = true; port = 0; unixSocket = "./redis.sock"; requirePass = "p\"w"; extraConfig = "lazyfree-lazy-eviction yes"; };
    secret = { enable = true; port = 6381; bind = null; requirePassFile = "./pass.conf"; save = [ ]; };
  };
}
