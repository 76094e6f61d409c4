{
  services.dynamodb-local."tables" = {
    enable = true;
    port = 8100;
  };
}
