{ services.phpfpm.all = { enable = true; listen = 6053; extraConfig = { pm = "static"; "pm.max_children" = 2; }; settings."pm.max_requests" = 7; globalSettings.log_level = "debug"; phpOptions = "date.timezone = CET"; phpEnv.TMPDIR = "/tmp"; };
  services.phpfpm.socket = { enable = true; listen = "a.sock"; };
  services.phpfpm.lines = { enable = true; listen = 6073; extraConfig = "pm.max_requests = 5"; }; }
