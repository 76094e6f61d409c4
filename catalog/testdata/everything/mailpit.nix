{
  services.mailpit.all = { enable = true; ui = { host = "127.0.0.2"; port = 6070; }; smtp = { host = "127.0.0.2"; port = 6071; }; database = "./user.db"; max = 0; webroot = "/mail";
    uiAuthFile = "./user-ui"; smtpAuthFile = "./user-smtp"; extraArgs = [ "--quiet" ]; };
  services.mailpit.second = { enable = true; listen = "127.0.0.1:6072"; smtp.port = 6073; uiAuthFile.secret = "user-secret"; smtpAuthFile.secret = "user-secret"; };
  services.mailpit.third = { enable = true; api = { host = "127.0.0.3"; port = 6074; }; smtp.port = 6075; };
}
