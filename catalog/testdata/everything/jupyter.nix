{
  services.jupyter.all = { enable = true; port = 6050; ip = "127.0.0.2"; interface = "lab"; notebookDir = "/workspace/user-notebooks"; token = "t"; extraFlags = [ "--debug" ]; };
  services.jupyter.more = { enable = true; port = 6051; host = "127.0.0.3"; tokenFile = "/workspace/user-token"; };
  services.jupyter.nixos = {
    enable = true; port = 6072; command = "jupyter lab --debug"; password = "argon2:x"; notebookConfig = "c.NotebookApp.x = 1"; extraEnvironmentVariables.A = "b"; extraPackages = [ pkgs.bash ];
    kernels.k = { displayName = "K"; argv = [ "k" "{connection_file}" ]; language = "l"; env.B = "c"; };
  };
  services.jupyter.shared = { enable = true; port = 6056; token.secret = "user-secret"; };
  services.jupyter.lent = { enable = true; port = 6057; tokenFile.secret = "user-secret"; };
}
