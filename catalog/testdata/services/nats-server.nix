{
  services.nats-server."bus" = {
    enable = true;
    jetstream = true;
    monitorPort = 8222;
  };
}
