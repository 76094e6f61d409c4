{
  services.vllm."chat" = {
    enable = true;
    port = 8001;
    model = "Qwen/Qwen2.5-0.5B-Instruct";
    maxModelLen = 4096;
    gpu = { count = 1; memory = "24G"; };
  };
}
