{
  services.pyroscope."profiles" = {
    enable = true;
    extraConfig.limits.max_query_length = "7d";
  };
}
