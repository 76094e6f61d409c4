{ services.phpfpm.all = { enable = true; listen = 6053; extraConfig = { pm = "static"; "pm.max_children" = 2; }; globalSettings.log_level = "debug"; phpOptions = "date.timezone = CET"; phpEnv.TMPDIR = "/tmp"; };
  services.phpfpm.socket = { enable = true; listen = "a.sock"; }; }
