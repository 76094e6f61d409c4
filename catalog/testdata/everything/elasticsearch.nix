{
  services.elasticsearch.all = {
    enable = true; listenAddress = "127.0.0.2"; port = 6104; tcp_port = 6105; cluster_name = "n"; single_node = false; settings = { node.name = "a"; "cluster.initial_master_nodes" = [ "a" ]; };
    extraConf = "action.destructive_requires_name: true"; logging = "rootLogger.level = warn\n"; extraJavaOptions = [ "-Xms1g" "-Xmx1g" ]; extraCmdLineOptions = [ "--quiet" ];
  };
}
