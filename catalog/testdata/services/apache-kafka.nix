{
  services.apache-kafka."log" = {
    enable = true;
    settings."num.partitions" = 3;
  };
}
