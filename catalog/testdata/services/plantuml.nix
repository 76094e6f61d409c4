{
  services.plantuml."diagrams" = {
    enable = true;
    port = 8081;
  };
}
