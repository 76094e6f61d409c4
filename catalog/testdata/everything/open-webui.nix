{
  services.open-webui.all = { enable = true; host = "127.0.0.2"; port = 6135; secretKey = "k"; extraArgs = [ "--port=6136" ]; };
  services.open-webui.more = { enable = true; port = 6137; secretKeyFile = "/workspace/user-key"; };
  services.open-webui.shared = { enable = true; port = 6138; secretKey.secret = "user-secret"; };
  services.open-webui.lent = { enable = true; port = 6139; secretKeyFile.secret = "user-secret"; };
}
