services.custom."memory-intensive" = {
  enable = true;
  command = "big-ml-model --memory-limit 8G";
  
  environment = {
    # limit CPU cores
    GOMAXPROCS = "4";
    
    # limit memory
    GOMEMLIMIT = "8GiB";
    
    # GPU allocation
    CUDA_VISIBLE_DEVICES = "0";
  };
};
