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
