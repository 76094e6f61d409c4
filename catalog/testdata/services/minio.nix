{
  services.minio."objects" = {
    enable = true;
    buckets = [ "pictures" ];
  };
}
