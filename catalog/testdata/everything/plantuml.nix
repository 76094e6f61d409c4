{
  services.plantuml.all = { enable = true; host = "127.0.0.2"; port = 6070; };
}
