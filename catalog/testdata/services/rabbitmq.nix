{
  services.rabbitmq."queue" = {
    enable = true;
    managementPlugin.enable = true;
    configItems."vm_memory_high_watermark.relative" = "0.2";
  };
}
