{
  services.mlflow.all = {
    enable = true; host = "0.0.0.0"; port = 6180; backendStoreUri = "postgresql://127.0.0.1/m"; registryStoreUri = "sqlite:////workspace/user-models.db"; artifactsDestination = "/workspace/user-artifacts";
    defaultArtifactRoot = "s3://runs"; serveArtifacts = false; staticPrefix = "/ml"; allowedHosts = [ "ml.example.org" ]; workers = 2; extraArgs = [ "--app-name=basic-auth" ];
  };
  services.mlflow.secret = { enable = true; port = 6181; backendStoreUriFile = "./user-uri"; registryStoreUriFile = "./user-registry"; };
}
