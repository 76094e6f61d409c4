{
  services.vllm.all = {
    enable = true; port = 6052; host = "127.0.0.2"; model = "m"; apiKey = "k"; hfToken = "t"; servedModelName = "n"; tensorParallelSize = 2;
    gpuMemoryUtilization = 0.5; maxModelLen = 1024; extraArgs = [ "--enforce-eager" ];
  };
  services.vllm.more = { enable = true; port = 6053; model = "m"; apiKeyFile = "/workspace/user-key"; hfTokenFile = "/workspace/user-token"; };
  services.vllm.shared = { enable = true; port = 6058; model = "m"; apiKey.secret = "user-secret"; hfToken.secret = "user-secret"; };
  services.vllm.lent = { enable = true; port = 6059; model = "m"; apiKeyFile.secret = "user-secret"; hfTokenFile.secret = "user-secret"; };
}
