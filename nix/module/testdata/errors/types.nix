{
  services.redis."x".port = 70000;
  services.redis."y" = {
    port = "6379";
    bind = [ "a" ];
    tags = [ "ok" 1 ];
    settings.maxmemory = x: x;
    level = "loud";
  };
  services.redis."z".enable = "yes";
}
