# What those who rent a GPU run.
{
  services.jupyter.notebooks = { enable = true; interface = "lab"; token.secret = "user-secret"; extraFlags = [ "--debug" ]; };
  services.vllm.chat = { enable = true; model = "Qwen/Qwen2.5-0.5B-Instruct"; tensorParallelSize = 2; gpuMemoryUtilization = 0.9; hfToken.secret = "user-secret"; };
  services.vllm.folder = { enable = true; port = 8001; host = "0.0.0.0"; model = "/workspace/models/small"; gpus = [ 1 ]; };
  services.comfyui.pictures = { enable = true; source = "/opt/ComfyUI"; modelsDir = "./models"; };
  services.comfyui.program = { enable = true; port = 8189; cpu = true; };
}
