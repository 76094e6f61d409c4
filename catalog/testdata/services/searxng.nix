{
  services.searxng."search" = {
    enable = true;
    port = 8888;
    secret_keyFile = "./searxng-key";
    settings.search.formats = [ "html" "json" ];
  };
}
