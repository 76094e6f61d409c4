services = {
  rabbitmq."queue" = {
    enable = true;
    port = 5672;
  };
  
  apache-kafka."streaming" = {
    enable = true;
    port = 9092;
  };
};
