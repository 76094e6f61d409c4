{
  services.phpfpm."app" = {
    enable = true;
    listen = 9100;
    phpOptions = "date.timezone = CET";
    extraConfig."pm.max_children" = 4;
  };
}
