{ services.jaeger.all = { enable = true; port = 6029; listenAddress = ""; otlpGrpcPort = 6030; otlpHttpPort = 6031; adminPort = 6032; storage = "badger"; extraFlags = [ "--log-level=warn" ]; }; }
