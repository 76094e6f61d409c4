{
  services.jaeger."traces".enable = true;
}
