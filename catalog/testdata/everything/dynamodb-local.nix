{ pkgs, ... }: {
  services.dynamodb-local.all = { enable = true; host = "127.0.0.2"; port = 6070; dbPath = "./user-tables"; extraArgs = [ "--createTableMs=0" ]; };
  services.dynamodb-local.second = { enable = true; inMemory = true; };
  services.dynamodb-local.amazon = { enable = true; port = 6071; host = "0.0.0.0"; package = pkgs.dynamodb-local; disableTelemetry = false; };
}
