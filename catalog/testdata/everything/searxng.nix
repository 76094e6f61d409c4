{
  services.searxng.all = { enable = true; host = "127.0.0.2"; port = 6144; use_default_settings = false; secret_key = "k"; settings.search.safe_search = 1; };
  services.searxng.more = { enable = true; port = 6145; secret_keyFile = "/workspace/user-key"; };
  services.searxng.shared = { enable = true; port = 6146; secret_key.secret = "user-secret"; };
  services.searxng.lent = { enable = true; port = 6147; secret_keyFile.secret = "user-secret"; };
  services.searxng.file = { enable = true; host = "127.0.0.2"; port = 6148; settingsFile = "./user-settings.yml"; };
}
