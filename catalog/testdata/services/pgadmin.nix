{
  services.pgadmin."admin" = {
    enable = true;
    initialEmail = "me@example.org";
    initialPasswordFile = "./pgadmin-password";
    extraConfig.MAX_LOGIN_ATTEMPTS = 3;
  };
}
