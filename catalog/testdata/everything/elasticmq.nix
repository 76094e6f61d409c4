{
  services.elasticmq.all = {
    enable = true; restSqs = { enable = true; bindPort = 6070; bindHost = "127.0.0.2"; }; restStats = { enable = true; bindPort = 6071; bindHost = "127.0.0.2"; };
    nodeAddress = { protocol = "https"; host = "queues"; port = 6072; contextPath = "sqs"; }; generateNodeAddress = true;
    extraOptions = "queues.first.delay = 1 seconds"; jvmOptions = [ "-Xmx64m" ]; extraArgs = [ "x" ];
  };
  services.elasticmq.second = { enable = true; restSqs.enable = false; restStats.enable = true; };
  services.elasticmq.third = { enable = true; restStats.enable = false; };
}
