services.custom."resilient-service" = {
  enable = true;
  command = "my-service";
  
  # restart configuration
  restart = "always";           # always restart on exit
  restart_delay = "10s";        # wait between restarts  
  max_restarts = 5;             # give up after 5 failures
  restart_delay_backoff = 2;    # exponential backoff multiplier
};
