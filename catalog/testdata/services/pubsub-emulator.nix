{
  services.pubsub-emulator."messages" = {
    enable = true;
    project = "shop";
  };
}
