{
  perSystem.nix2gpu."ml-training" = {
    cudaPackages = pkgs.cudaPackages_12_8;
    
    services = {
      # experiment tracking
      custom."mlflow-server" = {
        enable = true;
        command = "mlflow server --host 0.0.0.0 --port 5000";
        environment.MLFLOW_BACKEND_STORE_URI = "postgresql://localhost:5432/mlflow";
      };
      
      # data processing
      custom."data-processor" = {
        enable = true;
        command = "python -m data_pipeline.processor";
        environment = {
          INPUT_DIR = "/workspace/raw_data";
          OUTPUT_DIR = "/workspace/processed_data";
        };
        restart = "no";  # run once then exit
      };
      
      # training job
      custom."model-trainer" = {
        enable = true;
        command = "python -m training.train --config /workspace/config.yaml";
        environment = {
          CUDA_VISIBLE_DEVICES = "0,1";
          DATA_DIR = "/workspace/processed_data";
          MODEL_DIR = "/workspace/models";
          MLFLOW_TRACKING_URI = "http://localhost:5000";
        };
        depends_on = {
          data-processor = "completed";
          mlflow-server = "ready";
        };
        restart = "no";
      };
      
      # model serving
      custom."model-server" = {
        enable = true;
        command = "python -m serving.server --port 8080";
        environment = {
          MODEL_PATH = "/workspace/models/best_model.pt";
          CUDA_VISIBLE_DEVICES = "0";
        };
        depends_on = {
          model-trainer = "completed";
        };
        readiness_probe = {
          http_get = {
            path = "/health";
            port = 8080;
          };
          initial_delay_seconds = 30;
          period_seconds = 10;
        };
      };
      
      # supporting services
      postgresql."mlflow-db" = {
        enable = true;
        port = 5432;
        databases = ["mlflow"];
      };
    };
  };
}
