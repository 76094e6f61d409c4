{
  services.rabbitmq.all = {
    enable = true; port = 6022; listenAddress = "*"; nodeName = "a@localhost"; distPort = 6023; distAddress = "127.0.0.1"; cookie = "c"; configItems.heartbeat = 3; config = "[]."; plugins = [ "rabbitmq_stomp" ]; pluginDirs = [ "./user-plugins" "/usr/lib/user" ];
    managementPlugin = { enable = true; port = 6024; };
  };
}
