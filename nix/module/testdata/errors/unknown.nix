{
  services.redis."x" = {
    enable = true;
    prot = 1;
    tls.crt = "/x";
  };
  services.rediss."y".enable = true;
  service = { };
  env.A = "1";
}
