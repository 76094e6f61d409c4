{
  services.memcached.cache = { enable = true; bind = null; startArgs = [ "-v" ]; };
  services.nats-server.bus = { enable = true; jetstream = true; monitorPort = 8222; settings.max_payload = 1024; };
  services.ollama.llm = { enable = true; host = "0.0.0.0"; models = [ "llama3.2" ]; };
  services.minio.objects = { enable = true; buckets = [ "photos" ]; secretKey = "long secret"; };
}
