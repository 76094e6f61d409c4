{
  services.mongodb."documents" = {
    enable = true;
    replSetName = "rs0"; # for transactions
    passwordFile = "./mongodb-password";
    settings.storage.wiredTiger.engineConfig.cacheSizeGB = 0.5;
  };
}
