# Databases that Debian lacks.
{
  services.mongodb.plain.enable = true;
  services.mongodb.full = {
    enable = true; bind = null; port = 27018; user = "root"; password.secret = "api-token"; enableAuth = true; replSetName = "rs"; initialScript = ./first.js; quiet = true;
    settings = { security.keyFile = "/keys/shared"; "net.maxIncomingConnections" = 100; storage.wiredTiger.engineConfig = { cacheSizeGB = 0.5; journalCompressor = "zlib"; }; };
    extraConfig = ''
      storage.directoryPerDB: true
      systemLog.quiet: false
    '';
    runAs = "mongo";
  };
  services.mongodb.bare = { enable = true; port = 27019; user = ""; };
  services.cassandra.plain.enable = true;
  services.cassandra.full = {
    enable = true; listenAddress = "10.0.0.1"; rpcAddress = "0.0.0.0"; nativeTransportPort = 9043; storagePort = 7001; jmxPort = 7200; seedAddresses = [ "10.0.0.1" "10.0.0.2" ];
    clusterName = "Shop"; maxHeapSize = "1G"; heapNewSize = "200M"; jvmOpts = [ "-Xss1m" "-ea" ]; extraConfig = { num_tokens = 4; seed_provider = [ ]; };
  };
  services.neo4j.plain.enable = true;
  services.neo4j.full = {
    enable = true; defaultListenAddress = "0.0.0.0"; httpPort = 7475; boltPort = 7688; initialPassword = "p w";
    settings = { "server.memory.heap.max_size" = "1G"; "server.directories.import" = null; };
    extraServerConfig = "server.https.enabled=true";
  };
}
