{
  services.zookeeper."keeper" = {
    enable = true;
    extraCmdLineOptions = [ "-Xmx128m" ];
  };
}
