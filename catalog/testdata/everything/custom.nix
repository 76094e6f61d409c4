{
  services.custom.all = {
    enable = true;
    description = "d"; namespace = "n"; dataDir = "./user-data"; user = "user"; command = [ "./user-program" "--flag" ]; packages = [ pkgs.python3 ];
    ports = [ 1 ]; privileged = false;
    environment = { A = "1"; B = { secret = "user-secret"; }; C = ./user-file; D = null; E = 2; F = true; };
    credentials = { one = "user-secret"; two.secret = "user-secret"; }; environmentFile = "./user-env"; environmentFiles = [ "-./user-more" ]; working_dir = "./user-dir";
    depends_on.other = { condition = "completed"; restart = true; };
    restart = "always"; restart_delay = "1s"; restart_delay_max = 5; restart_delay_backoff = 2; max_restarts = 3;
    readiness_probe = {
      exec = { command = "./user-check"; working_dir = "./user-dir"; };
      initial_delay_seconds = 0; period_seconds = 1; timeout_seconds = "2s"; success_threshold = 2; failure_threshold = 4;
    };
    liveness_probe.http_get = { host = "h"; scheme = "https"; path = "p"; port = "80"; headers.a = "b"; status_code = 204; };
    startup_probe.tcp_socket = { host = "h"; port = 1; };
    shutdown = { command = "./user-stop"; signal = 15; timeout_seconds = 3; parent_only = true; };
    limits = { memory = "1G"; cpus = "1.5"; pids = 10; nofile = 20;
      io = { weight = 50; readBandwidthMax."/user-disk" = 1; writeBandwidthMax."user-data" = "2M"; readIOPSMax."/user-disk" = 3; writeIOPSMax."." = 4; };
      ulimits = { core = 0; memlock = "infinity"; stack = { soft = "8M"; hard = 16777216; }; }; };
    nice = 5; oomScoreAdjust = 100; umask = "0027"; supplementaryGroups = [ "video" 44 ]; capabilities = [ "CAP_KILL" ]; sandbox = "strict"; readWritePaths = [ "user-write" ];
    successExitCodes = [ 3 ]; gpus = [ 0 "GPU-1" ];
    log = { maxFileSize = "2M"; maxFiles = 0; maxTotalSize = "3M"; maxAge = "7d"; compress = false; rateLimit = { lines = 100; bytes = "1M"; interval = "30s"; }; };
  };
  services.custom.other = {
    enable = true; command = "x"; environment = [ "A=1" ]; credentials = [ "user-secret" ];
    availability = { restart = "on_failure"; backoff_seconds = 2; max_restarts = 5; exit_on_end = true; exit_on_skipped = true; };
    ready_log_line = "ready"; startup_probe.log_line = "up"; liveness_probe.tcp.port = 2;
  };
  services.custom.several = { enable = true; command = "x"; port = 7; replicas = 2; readiness_probe.http_get.port = 7; depends_on.restarts = "ready"; };
  services.custom.typed = { enable = true; command = "x"; tty = true; shutdown.send_keys = "q"; };
  services.custom.sometimes = { enable = true; network = "loopback"; command = "x"; profiles = [ "debug" "more" ]; };
  services.custom.gpu = { enable = true; command = "x"; gpu = { count = 2; memory = "24G"; }; readiness_probe.gpu = { uuid = [ "GPU-1" "MIG-2" ]; memory = 1; }; liveness_probe.gpu.count = 1; };
  services.custom.nightly = { enable = true; command = "x"; schedule = { cron = "0 3 * * *"; timezone = "Europe/Berlin"; run_on_start = true; overlap = "queue"; max_concurrent = 3; }; };
  services.custom.watching = {
    enable = true; command = "x"; working_dir = "/srv";
    watch = {
      paths = [ ./src "config.json" { path = "web"; include = [ "*.ts" ]; exclude = [ "gen/**" ]; } ];
      cascade = true; debounce = "1s"; max_entries = 100; disable_default_excludes = true;
    };
  };
  services.custom.background = { enable = true; command = "x"; daemon = true; launch_timeout = "5s"; };
  services.custom.often = { enable = true; command = "x"; schedule.interval = "10m"; };
  services.custom.hourly = { enable = true; command = "x"; tty = true; schedule = "@hourly"; shutdown.send_keys = "q"; };
  services.custom.restarts = { enable = true; command = "x"; availability.restart = "always"; liveness_probe.gpu = { count = 3; memory = 1; }; readiness_probe.gpu.count = 2; };
  services.custom.grpc = { enable = true; command = "x"; readiness_probe.grpc = { host = "h"; port = 1; service = "s"; }; startup_probe.log = "u.*"; liveness_probe.notify = 3; };
}
