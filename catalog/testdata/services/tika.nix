{
  services.tika."text" = {
    enable = true;
    configFile = "./tika-config.xml";
  };
}
