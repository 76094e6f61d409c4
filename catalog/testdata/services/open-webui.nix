{
  services.open-webui."chat" = {
    enable = true;
    port = 3000;
    environment = {
      OLLAMA_BASE_URL = "http://127.0.0.1:11434";
      OFFLINE_MODE = "True";
    };
  };
}
