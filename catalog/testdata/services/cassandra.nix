{
  services.cassandra."events" = {
    enable = true;
    clusterName = "Shop";
    maxHeapSize = "512M";
    heapNewSize = "100M";
  };
}
