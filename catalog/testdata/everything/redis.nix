{
  services.redis.all = {
    enable = true; bind = "127.0.0.2"; port = 6001; unixSocket = "./user.sock"; unixSocketPerm = 700; settings.maxmemory = "1mb"; extraConfig = "lazyfree-lazy-eviction yes";
    requirePassFile = "./user-pass"; databases = 3; logLevel = "verbose"; maxclients = 10; appendOnly = true; appendFsync = "always"; save = [ [ 900 1 ] ]; slowLogMaxLen = 3; logfile = "/workspace/user.log"; syslog = true; extraParams = [ "--hz" "20" ];
  };
  services.redis.socket = { enable = true; port = 0; unixSocket = "user.sock"; requirePass = "x"; };
  services.redis.secret = { enable = true; port = 0; unixSocket = "user.sock"; requirePassFile.secret = "user-secret"; };
  services.redis.copy = { enable = true; port = 6002; replicaOf = { ip = "127.0.0.2"; port = 6001; }; masterAuthFile.secret = "user-secret"; slowLogLogSlowerThan = 5000; };
  services.redis.second = { enable = true; port = 6003; replicaOf.port = 6001; masterAuth.secret = "user-secret"; };
}
