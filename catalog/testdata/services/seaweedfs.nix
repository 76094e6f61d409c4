{
  services.seaweedfs."objects" = {
    enable = true;
    filer.enable = true;
    s3 = {
      enable = true;
      config = "./s3.json";
    };
  };
}
