{
  services.neo4j."graph" = {
    enable = true;
    initialPasswordFile = "./neo4j-password";
    settings."server.memory.heap.max_size" = "512m";
  };
}
