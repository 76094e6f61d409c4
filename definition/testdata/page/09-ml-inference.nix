{
  perSystem.nix2gpu."ml-inference" = {
    cudaPackages = pkgs.cudaPackages_12_8;
    
    services.custom."inference-api" = {
      enable = true;
      command = ''
        cd /workspace && \
        ${pkgs.python3}/bin/python -m uvicorn main:app \
          --host 0.0.0.0 \
          --port 8080
      '';
      
      environment = {
        CUDA_VISIBLE_DEVICES = "0";
        TORCH_CUDA_ARCH_LIST = "8.6;8.9;9.0";
        MODEL_PATH = "/workspace/models";
      };
      
      # ensure GPU is available before starting
      depends_on = {
        gpu-check = "completed";
      };
    };
    
    # GPU availability check service
    services.custom."gpu-check" = {
      enable = true;
      command = "nvidia-smi";
      restart = "no";  # run once then exit
    };
  };
}
