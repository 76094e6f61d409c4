{
  services.rabbitmq.queue = {
    enable = true;
    port = 5672;
    listenAddress = "*";
    cookie = "secret";
    configItems = { "vm_memory_high_watermark.relative" = "0.2"; "heartbeat" = 30; };
    config = "[].";
    plugins = [ "rabbitmq_mqtt" ];
    managementPlugin.enable = true;
  };
}
