{
  services.tika.all = { enable = true; host = "127.0.0.2"; port = 6148; jar = "/workspace/user-tika.jar"; enableOcr = false; configFile = "/workspace/user-config.xml"; extraArgs = [ "--noFork" ]; };
}
