{
  services.postgresql."db" = {
    enable = true;
    databases = [ "mlflow" ];
  };
  services.mlflow."experiments" = {
    enable = true;
    backendStoreUri = "postgresql://postgres@localhost:5432/mlflow";
    depends_on.postgresql = "ready";
  };
}
