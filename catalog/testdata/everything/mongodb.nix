{
  services.mongodb.all = {
    enable = true; bind = null; port = 6100; user = "root"; password = "p"; enableAuth = true; replSetName = "rs"; initialScript = "./user-script.js"; quiet = true;
    settings = { security.keyFile = "/workspace/user-key"; storage.wiredTiger.engineConfig.cacheSizeGB = 1; }; extraConfig = "setParameter.notablescan: true"; extraFlags = [ "--directoryperdb" ]; runAs = "nobody"; pidFile = "/x";
  };
  services.mongodb.more = { enable = true; port = 6101; passwordFile = "/workspace/user-password"; enableAuth = true; };
  services.mongodb.root = { enable = true; port = 6104; initialRootPasswordFile = "/workspace/user-password"; };
  services.mongodb.shared = { enable = true; port = 6102; password.secret = "user-secret"; };
  services.mongodb.lent = { enable = true; port = 6103; passwordFile.secret = "user-secret"; };
}
