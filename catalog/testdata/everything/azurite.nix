{
  services.azurite.all = { enable = true; listenAddress = "127.0.0.2"; blobPort = 6060; queuePort = 6061; tablePort = 6062; extraFlags = [ "--loose" ]; };
}
