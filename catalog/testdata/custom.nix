{
  services.custom."my-api" = {
    enable = true;
    command = "${pkgs.python3}/bin/python /workspace/server.py";
    working_dir = "/workspace";
    environment = {
      PORT = "8080";
      WORKERS = 4;
      DEBUG = true;
      TOKEN = { secret = "api-token"; };
      UNSET = null;
      DATABASE_URL = "postgresql://localhost:5432/mydb";
    };
    environmentFile = [ "./.env" "-/etc/api.env" ];
    depends_on = {
      postgresql = "ready";
      gpu-check = { condition = "process_completed_successfully"; restart = true; };
    };
    restart = "always";
    restart_delay = "5s";
    restart_delay_max = 60;
    restart_delay_backoff = 1.5;
    max_restarts = 10;
    readiness_probe = {
      http_get = { path = "/health"; port = 8080; };
      initial_delay_seconds = 10;
      period_seconds = "30s";
    };
    liveness_probe = {
      exec.command = "curl -f http://127.0.0.1:8080/health";
      failure_threshold = 2;
      timeout_seconds = 0.5;
    };
    startup_probe.tcp_socket.port = "8080";
    shutdown = { signal = 2; timeout_seconds = 3; command = "echo bye"; };
    limits = { memory = "8G"; cpus = "1.5"; };
    packages = [ pkgs.bash ];
    user = "app";
    successExitCodes = [ 143 ];
  };

  services.custom.inference = {
    enable = true;
    command = ''
      cd /workspace && \
      ${pkgs.python3}/bin/python -m uvicorn main:app \
        --host 0.0.0.0 \
        --port 8080
    '';
    restart = "unless-stopped";
    ready_log_line = "Uvicorn running";
  };

  services.custom."gpu-check" = {
    enable = true;
    command = [ "nvidia-smi" "-L" ];
    restart = "no";
    description = "fails when there is no GPU";
  };

  services.custom.off = { command = "never"; };

  services.postgresql.db.enable = true;
}
