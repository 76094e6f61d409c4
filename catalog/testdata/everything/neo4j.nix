{
  services.neo4j.all = { enable = true; defaultListenAddress = "127.0.0.2"; httpPort = 6127; boltPort = 6128; initialPassword = "p"; settings."server.memory.heap.max_size" = "1G"; extraServerConfig = "db.transaction.timeout=10s\n"; };
  services.neo4j.more = { enable = true; allowUpgrade = true; constrainLoadCsv = false; readOnly = true; workerCount = 3; httpPort = 6129; boltPort = 6130; initialPasswordFile = "/workspace/user-password"; };
  services.neo4j.shared = { enable = true; httpPort = 6131; boltPort = 6132; initialPassword.secret = "user-secret"; };
  services.neo4j.lent = { enable = true; httpPort = 6133; boltPort = 6134; initialPasswordFile.secret = "user-secret"; };
}
