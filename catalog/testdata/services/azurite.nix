{
  services.azurite."storage" = {
    enable = true;
    blobPort = 10100;
    extraFlags = [ "--loose" ];
  };
}
