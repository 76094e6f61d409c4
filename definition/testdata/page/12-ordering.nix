services = {
  postgresql."db" = {
    enable = true;
    # starts first (no dependencies)
  };
  
  custom."migrator" = {
    enable = true;
    command = "run-migrations";
    depends_on.postgresql = "ready";  # waits for postgres
    restart = "no";  # run once
  };
  
  custom."api" = {
    enable = true;
    command = "start-api-server";
    depends_on.migrator = "completed";  # waits for migrations
  };
};
