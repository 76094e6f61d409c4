{
  services.pgadmin.all = { enable = true; host = "127.0.0.2"; port = 6140; initialEmail = "me@example.org"; initialPassword = "password"; minimumPasswordLength = 8;
    emailServer = { enable = true; address = "mail.example.org"; port = 587; useSSL = true; useTLS = true; username = "u"; sender = "s@example.org"; passwordFile = "/workspace/user-mail"; }; extraConfig.MAX_LOGIN_ATTEMPTS = 3; };
  services.pgadmin.more = { enable = true; port = 6141; initialEmail = "me@example.org"; initialPasswordFile = "/workspace/user-password"; };
  services.pgadmin.shared = { enable = true; port = 6142; initialEmail = "me@example.org"; initialPassword.secret = "user-secret"; emailServer = { enable = true; passwordFile.secret = "user-secret"; }; };
  services.pgadmin.lent = { enable = true; port = 6143; initialEmail = "me@example.org"; initialPasswordFile.secret = "user-secret"; };
}
