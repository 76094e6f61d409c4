{
  services.comfyui."pictures" = {
    enable = true;
    source = "/opt/ComfyUI";
    modelsDir = "/workspace/models";
  };
}
