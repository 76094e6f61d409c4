{
  services.cassandra.all = {
    enable = true; listenAddress = "127.0.0.2"; rpcAddress = "127.0.0.3"; nativeTransportPort = 6106; storagePort = 6107; jmxPort = 6108; seedAddresses = [ "127.0.0.2" "127.0.0.4" ]; clusterName = "n";
    maxHeapSize = "1G"; heapNewSize = "200M"; mallocArenaMax = 4; logbackConfig = "<configuration/>"; jvmOpts = [ "-Dcassandra.ring_delay_ms=1" "-Xss1m" ]; extraConfig.num_tokens = 4; extraFlags = [ "-p" "/workspace/user-pid" ];
  };
  services.cassandra.closed = { enable = true; allowClients = false; storagePort = 6109; jmxPort = 6110; };
}
