{
  services.elasticsearch."search" = {
    enable = true;
    cluster_name = "shop";
    extraJavaOptions = [ "-Xms512m" "-Xmx512m" ];
  };
}
