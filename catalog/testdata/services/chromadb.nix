{
  services.chromadb."vectors" = {
    enable = true;
    port = 8010;
  };
}
