inputs.services-flake.url = "github:juspay/services-flake";
inputs.process-compose-flake.url = "github:Platonic-Systems/process-compose-flake";
