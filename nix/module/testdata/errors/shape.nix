{
  services.redis = [ "x" ];
  tls = 3;
  env = { A = "1"; B = 2; C = null; };
}
