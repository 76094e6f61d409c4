{
  services.elasticmq."queues" = {
    enable = true;
    extraOptions = "queues.orders.defaultVisibilityTimeout = 10 seconds";
  };
}
