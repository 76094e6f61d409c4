{
  services.memcached."sessions" = {
    enable = true;
    maxMemory = 128;
  };
}
