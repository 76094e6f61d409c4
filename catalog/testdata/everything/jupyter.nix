{
  services.jupyter.all = { enable = true; port = 6050; ip = "127.0.0.2"; interface = "lab"; notebookDir = "/workspace/user-notebooks"; token = "t"; extraFlags = [ "--debug" ]; };
  services.jupyter.more = { enable = true; port = 6051; host = "127.0.0.3"; tokenFile = "/workspace/user-token"; };
  services.jupyter.shared = { enable = true; port = 6056; token.secret = "user-secret"; };
  services.jupyter.lent = { enable = true; port = 6057; tokenFile.secret = "user-secret"; };
}
