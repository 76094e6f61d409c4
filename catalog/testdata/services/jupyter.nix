{
  services.jupyter."notebooks" = {
    enable = true;
    port = 8889;
    extraFlags = [ "--MappingKernelManager.cull_idle_timeout=3600" ];
  };
}
