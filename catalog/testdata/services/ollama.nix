{
  services.ollama."models" = {
    enable = true;
    acceleration = "cuda";
    models = [ "llama3.2:1b" ];
  };
}
