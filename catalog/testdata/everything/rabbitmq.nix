{
  services.rabbitmq.all = {
    enable = true; port = 6022; listenAddress = "*"; nodeName = "a@localhost"; distPort = 6023; distAddress = "127.0.0.2"; cookie.secret = "user-secret"; configItems.heartbeat = 3; config = "[]."; plugins = [ "rabbitmq_stomp" ]; pluginDirs = [ "./user-plugins" "/usr/lib/user" ];
    managementPlugin = { enable = true; port = 6024; };
  };
  services.rabbitmq.cookie = { enable = true; port = 6025; nodeName = "b@localhost"; distPort = 6026; cookieFile = "./user-pass"; };
  services.rabbitmq.unsafe = { enable = true; port = 6029; nodeName = "d@localhost"; distPort = 6030; unsafeCookie = "c"; };
  services.rabbitmq.secret = { enable = true; port = 6027; nodeName = "c@localhost"; distPort = 6028; cookieFile.secret = "user-secret"; };
}
