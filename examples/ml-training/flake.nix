# A training pipeline: data is prepared once, a model is trained once with its
# metrics in a tracking server, and then served.
#
#   nix2gpu up        then, when the model is trained: curl http://127.0.0.1:8080/predict?x=4
#
# A whole flake, as one would keep it in a repository. nix2gpu brings
# stand-ins for these inputs: nothing is fetched.
{
  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
    flake-parts.url = "github:hercules-ci/flake-parts";
    nix2gpu.url = "github:fleek-sh/nix2gpu";
    services-flake.url = "github:juspay/services-flake";
    process-compose-flake.url = "github:Platonic-Systems/process-compose-flake";
  };

  outputs = inputs@{ flake-parts, ... }:
    flake-parts.lib.mkFlake { inherit inputs; } {
      imports = [ inputs.nix2gpu.flakeModule ];
      systems = [ "x86_64-linux" ];

      perSystem = { pkgs, ... }: {
        nix2gpu."ml-training" = {
          cudaPackages = pkgs.cudaPackages_12_8;
          systemPackages = [ pkgs.python3 pkgs.postgresql ];   # the "python" of the commands below, and psql

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
      };
    };
}
