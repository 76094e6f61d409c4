{
  services.qdrant."vectors" = {
    enable = true;
    settings.storage.on_disk_payload = false;
  };
}
