{ services.ollama.all = { enable = true; port = 6037; host = "127.0.0.2"; keepAlive = "1m"; models = [ "m" ]; acceleration = "cuda"; environmentVariables.OLLAMA_DEBUG = "1"; loadModels = [ "n" ]; };
  services.ollama.nixos = { enable = true; port = 6068; models = "/workspace/user-models"; home = "/workspace/user-home"; rocmOverrideGfx = "10.3.0"; }; }
