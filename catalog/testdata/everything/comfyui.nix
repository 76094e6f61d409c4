{
  services.comfyui.all = {
    enable = true; port = 6054; listen = "127.0.0.2"; source = "/workspace/user-source"; modelsDir = "/workspace/user-models"; databasePath = "/workspace/user.db";
    cpu = true; extraFlags = [ "--preview-method=auto" ];
  };
  services.comfyui.more = { enable = true; port = 6055; host = "127.0.0.3"; };
}
