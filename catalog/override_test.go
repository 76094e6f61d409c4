package catalog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"nix2gpu/project"
)

// What an option of the user's says of addresses and ports beside those that
// are there for it is known to the check for clashes and to the probe. For the
// servers that are installed, TestServersListenWhereTheySay asks them.
func TestOverridesReachPortsAndProbes(t *testing.T) {
	for _, c := range []struct{ name, instance, ports, probe string }{
		{"clickhouse", `services.clickhouse.a = { enable = true; extraConfig = { tcp_port = 1; http_port = "2"; listen_host = "127.0.0.2"; mysql_port = 3; }; };`,
			"127.0.0.2:1 127.0.0.2:2 127.0.0.2:3", "127.0.0.2:2"},
		{"clickhouse by further ports", `services.clickhouse.a = { enable = true; extraConfig = { interserver_https_port = 1; tcp_with_proxy_port = 2; prometheus.port = 3; }; };`,
			"127.0.0.1:9000 127.0.0.1:8123 127.0.0.1:1 127.0.0.1:2 127.0.0.1:3", "127.0.0.1:8123"},
		{"clickhouse everywhere", `services.clickhouse.a = { enable = true; listenAddress = "::"; };`, "*:9000 *:8123", "127.0.0.1:8123"},
		{"grafana settings", `services.grafana.a = { enable = true; settings.server = { http_port = "1"; http_addr = "127.0.0.2"; protocol = "https"; }; extraConf.server.http_port = 2; };`,
			"127.0.0.2:1", "https://127.0.0.2:1"},
		{"grafana extraConf", `services.grafana.a = { enable = true; extraConf.server = { http_port = 2; http_addr = ""; }; };`, "*:2", "http://127.0.0.1:2"},
		{"grafana environment", `services.grafana.a = { enable = true; settings.server.http_port = 2; environment.GF_SERVER_HTTP_PORT = "3"; };`, "127.0.0.1:3", "http://127.0.0.1:3"},
		{"jaeger", `services.jaeger.a = { enable = true; extraFlags = [ "--admin.http.host-port=127.0.0.2:1" "--query.http-server.host-port" ":2" ]; environment.QUERY_GRPC_SERVER_HOST_PORT = "127.0.0.3:4"; };`,
			"*:2 127.0.0.1:4317 127.0.0.1:4318 127.0.0.2:1 127.0.0.1:14250 127.0.0.1:14268 127.0.0.3:4", "127.0.0.2:1"},
		{"loki", `services.loki.a = { enable = true; httpAddress = "0.0.0.0"; extraConfig.server.http_listen_port = 1; extraFlags = [ "-server.grpc-listen-address=127.0.0.2" ]; };`, "*:1 127.0.0.2:9096", "http://127.0.0.1:1/ready"},
		{"tempo", `services.tempo.a = { enable = true; extraFlags = [ "--server.http-listen-port=1" ]; extraConfig = { server.grpc_listen_port = 2; distributor.receivers.otlp.protocols.http.endpoint = "0.0.0.0:3"; }; };`, "127.0.0.1:1 127.0.0.1:2 *:3", "http://127.0.0.1:1/ready"},
		{"pyroscope", `services.pyroscope.a = { enable = true; extraConfig = { memberlist.bind_addr = [ "127.0.0.2" ]; metastore.raft.bind_address = "127.0.0.3:1"; }; };`, "127.0.0.1:4040 127.0.0.1:9095 127.0.0.2:7946 127.0.0.3:1", "http://127.0.0.1:4040/ready"},
		{"alloy", `services.alloy.a = { enable = true; configFile = "./x"; extraFlags = [ "--server.http.listen-addr=127.0.0.2:1" ]; };`, "127.0.0.2:1", "http://127.0.0.2:1/-/ready"},
		{"mailpit", `services.mailhog.a = { enable = true; api.port = 1; smtp.host = "0.0.0.0"; webroot = "/mail"; extraArgs = [ "--pop3=127.0.0.2:2" ]; };`, "127.0.0.1:1 *:1025 127.0.0.2:2", "http://127.0.0.1:1/mail/readyz"},
		{"seaweedfs", `services.seaweedfs.a = { enable = true; master.grpcPort = 1; filer.enable = true; extraArgs = [ "-ip.bind=127.0.0.2" "-volume.port=2" ]; };`,
			"127.0.0.2:9333 127.0.0.2:1 127.0.0.2:2 127.0.0.2:10002 127.0.0.2:8888 127.0.0.2:18888", "http://127.0.0.2:8888/healthz"},
		{"elasticmq", `services.elasticmq.a = { enable = true; extraOptions = "rest-sqs.bind-port = 1\nrest-stats.bind-hostname = 0.0.0.0"; };`, "127.0.0.1:1 *:9325", "http://127.0.0.1:1/health"},
		{"elasticmq without queues", `services.elasticmq.a = { enable = true; restSqs.enable = false; };`, "127.0.0.1:9325", "127.0.0.1:9325"},
		{"plantuml everywhere", `services.plantuml.a = { enable = true; host = null; };`, "*:8080", "http://127.0.0.1:8080/"},
		{"dynamodb", `services.dynamodb-local.a = { enable = true; extraArgs = [ "--port" "1" "--host=127.0.0.2" ]; };`, "127.0.0.2:1", "http://127.0.0.2:1/"},
		{"Amazon's dynamodb", `services.dynamodb-local.a = { enable = true; package = pkgs.dynamodb-local; host = "0.0.0.0"; };`, "*:8000", "http://127.0.0.1:8000/"},
		{"azurite", `services.azurite.a = { enable = true; host = "0.0.0.0"; extraFlags = [ "--blobPort" "1" "--tableHost=127.0.0.2" ]; };`, "*:1 *:10001 127.0.0.2:10002", "http://127.0.0.2:10002/devstoreaccount1?comp=properties&restype=service"},
		{"azurite with accounts", `services.azurite.a = { enable = true; environment.AZURITE_ACCOUNTS = "shop:a2V5"; };`, "127.0.0.1:10000 127.0.0.1:10001 127.0.0.1:10002", "tcp 127.0.0.1:10002"},
		{"jupyter", `services.jupyter.a = { enable = true; ip = "*"; extraFlags = [ "--port" "1" ]; };`, "*:1", "http://127.0.0.1:1/api"},
		{"jupyter with TLS", `services.jupyter.a = { enable = true; extraFlags = [ "--certfile=x" "--ip=127.0.0.2" ]; };`, "127.0.0.2:8888", "tcp 127.0.0.2:8888"},
		{"vllm", `services.vllm.a = { enable = true; model = "m"; host = ""; extraArgs = [ "--port=1" ]; };`, "*:1", "http://127.0.0.1:1/health"},
		{"comfyui", `services.comfyui.a = { enable = true; extraFlags = [ "--listen" "127.0.0.2" "--port" "1" ]; };`, "127.0.0.2:1", "http://127.0.0.2:1/system_stats"},
		{"mongodb everywhere", `services.mongodb.a = { enable = true; bind = null; };`, "*:27017", "127.0.0.1:27017"},
		{"mongodb settings", `services.mongodb.a = { enable = true; settings.net = { port = 1; bindIp = "127.0.0.2,10.0.0.1"; }; };`, "127.0.0.2:1 10.0.0.1:1", "127.0.0.2:1"},
		{"mongodb everywhere by a flag", `services.mongodb.a = { enable = true; extraFlags = [ "--bind_ip_all" ]; };`, "*:27017", "127.0.0.1:27017"},
		{"mongodb everywhere by a line", `services.mongodb.a = { enable = true; port = 1; extraConfig = "net.bindIpAll: true"; };`, "*:1", "127.0.0.1:1"},
		{"mongodb lines", `services.mongodb.a = { enable = true; settings.net.port = 2; extraConfig = "net.port: 1\nnet.bindIp: '127.0.0.2'"; };`, "127.0.0.2:1", "127.0.0.2:1"},
		{"mongodb flags", `services.mongodb.a = { enable = true; extraConfig = "net.port: 2"; extraFlags = [ "--port" "1" "--bind_ip=127.0.0.2" ]; };`, "127.0.0.2:1", "127.0.0.2:1"},
		{"elasticsearch", `services.elasticsearch.a = { enable = true; settings."http.port" = 1; settings.transport.port = 2; settings.network.host = "127.0.0.2"; };`,
			"127.0.0.2:1 127.0.0.2:2", "http://127.0.0.2:1/_cluster/health"},
		{"elasticsearch lines", `services.elasticsearch.a = { enable = true; extraConf = "http.port: 1
transport.host: 127.0.0.3"; extraCmdLineOptions = [ "-Etransport.port=3" ]; };`,
			"127.0.0.1:1 127.0.0.3:3", "127.0.0.1:1"},
		{"elasticsearch with passwords", `services.elasticsearch.a = { enable = true; settings.xpack.security.enabled = true; };`, "127.0.0.1:9200 127.0.0.1:9300", "tcp 127.0.0.1:9200"},
		{"cassandra", `services.cassandra.a = { enable = true; extraConfig = { native_transport_port = 1; storage_port = 2; rpc_address = "0.0.0.0"; listen_address = "127.0.0.2"; }; };`,
			"*:1 127.0.0.2:2 127.0.0.1:7199", "127.0.0.1:1"},
		{"cassandra of other nodes", `services.cassandra.a = { enable = true; listenAddress = "127.0.0.2"; extraFlags = [ "-Dcassandra.jmx.local.port=3" ]; };`,
			"127.0.0.2:9042 127.0.0.2:7000 127.0.0.1:3", "127.0.0.2:9042"},
		{"cassandra without clients", `services.cassandra.a = { enable = true; allowClients = false; };`, "127.0.0.1:7000 127.0.0.1:7199", "tcp 127.0.0.1:7000"},
		{"qdrant", `services.qdrant.a = { enable = true; host = "0.0.0.0"; settings.service = { http_port = 1; grpc_port = null; host = "127.0.0.2"; }; };`, "127.0.0.2:1", "http://127.0.0.2:1/readyz"},
		{"qdrant of a cluster", `services.qdrant.a = { enable = true; settings.cluster.enabled = true; };`, "127.0.0.1:6333 127.0.0.1:6334 127.0.0.1:6335", "127.0.0.1:6333"},
		{"qdrant with TLS", `services.qdrant.a = { enable = true; settings.service.enable_tls = true; };`, "127.0.0.1:6333 127.0.0.1:6334", "tcp 127.0.0.1:6333"},
		{"weaviate", `services.weaviate.a = { enable = true; openPorts = true; extraFlags = [ "--port=1" "--raft-port" "2" ]; environment = { GRPC_PORT = 3; CLUSTER_BIND_ADDR = "127.0.0.2"; CLUSTER_DATA_BIND_PORT = 4; }; };`,
			"127.0.0.1:1 127.0.0.2:2 *:3 *:4 127.0.0.2:7946 127.0.0.2:7946/udp 127.0.0.2:8301", "http://127.0.0.1:1/v1/.well-known/ready"},
		{"chromadb", `services.chromadb.a = { enable = true; extraArgs = [ "--host=127.0.0.2" "--port" "1" ]; };`, "127.0.0.2:1", "http://127.0.0.2:1/api/v2/heartbeat"},
		{"neo4j", `services.neo4j.a = { enable = true; settings."server.http.listen_address" = "127.0.0.2:1"; extraServerConfig = "server.bolt.listen_address = 127.0.0.3:2"; };`, "127.0.0.2:1 127.0.0.3:2", "http://127.0.0.2:1/"},
		{"neo4j with TLS", `services.neo4j.a = { enable = true; settings."server.https.enabled" = true; extraServerConfig = "server.https.listen_address=127.0.0.2:1"; };`,
			"127.0.0.1:7474 127.0.0.1:7687 127.0.0.2:1", "http://127.0.0.1:7474/"},
		{"open-webui", `services.open-webui.a = { enable = true; extraArgs = [ "--host" "0.0.0.0" "--port=1" ]; };`, "*:1", "http://127.0.0.1:1/health"},
		{"pgadmin", `services.pgadmin.a = { enable = true; initialEmail = "a@b"; initialPassword = "p"; extraConfig = { DEFAULT_SERVER = "0.0.0.0"; DEFAULT_SERVER_PORT = 1; }; };`, "*:1", "http://127.0.0.1:1/misc/ping"},
		{"searxng", `services.searxng.a = { enable = true; settings.server = { port = 1; bind_address = "127.0.0.2"; }; environment.SEARXNG_PORT = 2; };`, "127.0.0.2:2", "http://127.0.0.2:2/healthz"},
		{"tika", `services.tika.a = { enable = true; extraArgs = [ "-p" "1" "-h127.0.0.2" ]; };`, "127.0.0.2:1", "http://127.0.0.2:1/version"},
		{"pubsub-emulator", `services.pubsub-emulator.a = { enable = true; extraArgs = [ "--port=1" ]; host = "::1"; };`, "::1:1", "http://::1:1/"},
		{"kafka", `services.kafka.a = { enable = true; settings.listeners = [ "CONTROLLER://127.0.0.2:1" "PLAINTEXT://0.0.0.0:2" "SSL://:3" ]; };`,
			"127.0.0.2:1 *:2 *:3", "127.0.0.1:2"},
		{"kafka as it is", `services.kafka.a = { enable = true; listenAddress = "127.0.0.2"; };`, "127.0.0.2:9092 127.0.0.1:9093", "127.0.0.2:9092"},
		{"minio", `services.minio.a = { enable = true; consoleAddress = ":1"; };`, "127.0.0.1:9000 *:1", "127.0.0.1:9000"},
		{"minio without console", `services.minio.a = { enable = true; browser = false; };`, "127.0.0.1:9000", "127.0.0.1:9000"},
		{"ollama", `services.ollama.a = { enable = true; environmentVariables.OLLAMA_HOST = "http://127.0.0.2:1/"; };`, "127.0.0.2:1", "127.0.0.2:1"},
		{"ollama address alone", `services.ollama.a = { enable = true; port = 5; environment.OLLAMA_HOST = "0.0.0.0"; };`, "*:11434", "127.0.0.1:11434"},
		{"ollama scheme alone", `services.ollama.a = { enable = true; environment.OLLAMA_HOST = "https://127.0.0.2"; };`, "127.0.0.2:443", "127.0.0.2:443"},
		{"ollama port alone", `services.ollama.a = { enable = true; environment.OLLAMA_HOST = ":7"; };`, "*:7", "127.0.0.1:7"},
		{"memcached", `services.memcached.a = { enable = true; startArgs = [ "-p1" "-l" "127.0.0.2,127.0.0.3:4" "-U" "5" ]; };`,
			"127.0.0.2:1 127.0.0.2:5/udp 127.0.0.3:4 127.0.0.3:5/udp", "127.0.0.2:1"},
		{"memcached addresses", `services.memcached.a = { enable = true; bind = "127.0.0.1:11212,127.0.0.2"; };`, "127.0.0.1:11212 127.0.0.2:11211", "127.0.0.1:11212"},
		{"memcached addresses by a flag", `services.memcached.a = { enable = true; startArgs = [ "-l" "127.0.0.1:11212,10.0.0.1" ]; };`, "127.0.0.1:11212 10.0.0.1:11211", "127.0.0.1:11212"},
		{"memcached socket", `services.memcached.a = { enable = true; startArgs = [ "-s" "/run/m.sock" ]; };`, "", "/run/m.sock"},
		{"redis TLS", `services.redis.a = { enable = true; port = 0; settings.tls-port = 1; };`, "127.0.0.1:1", "127.0.0.1:1"},
		{"redis socket", `services.redis.a = { enable = true; port = 0; settings.unixsocket = "/run/r.sock"; };`, "", "/run/r.sock"},
		{"redis-cluster", `services.redis-cluster.a = { enable = true; replicas = 0; bind = "127.0.0.2"; nodes = { a.port = 1; b = { port = 2; extraConfig = "cluster-port 20"; }; c = { port = 3; extraConfig = "port 4\nbind 0.0.0.0"; }; }; };`,
			"127.0.0.2:1 127.0.0.2:10001 127.0.0.2:2 127.0.0.2:20 *:4 *:10004", ""},
		{"redis quoted", `services.redis.a = { enable = true; extraConfig = "PORT \"1\"\n\n#port 2\nbind '127.0.0.2'"; };`, "127.0.0.2:1", "127.0.0.2:1"},
		{"mysql without network", `services.mysql.a = { enable = true; settings.mysqld.skip-networking = true; };`, "", "<run>/mysql.a/mysql.sock"},
		{"mysql by version", `services.mysql.a = { enable = true; settings."mariadb-10.11".loose_port = 1; };`, "127.0.0.1:1", "<run>/mysql.a/mysql.sock"},
		{"rabbitmq on TLS alone", `services.rabbitmq.a = { enable = true; configItems = { "listeners.tcp" = "none"; "listeners.ssl.default" = 1; }; };`,
			"*:1 127.0.0.1:25672 127.0.0.1:30672", "127.0.0.1:1"},
		{"rabbitmq at the end of the numbers", `services.rabbitmq.a = { enable = true; distPort = 65000; distAddress = "10.0.0.1"; };`,
			"127.0.0.1:5672 10.0.0.1:65000 10.0.0.1:60000", "127.0.0.1:5672"},
		{"nats", `services.nats.a = { enable = true; settings = { host = "127.0.0.2"; port = "1"; monitor_port = 2; https = "127.0.0.3:3"; }; };`, "127.0.0.2:1 127.0.0.2:2 127.0.0.3:3", "127.0.0.2:1"},
		{"nats everywhere", `services.nats.a = { enable = true; bind = ""; monitorPort = 2; };`, "*:4222 *:2", "127.0.0.1:4222"},
		{"nats by one word", `services.nats.a = { enable = true; settings = { listen = 1; http = 2; }; };`, "*:1 *:2", "127.0.0.1:1"},
		{"nats by a port alone", `services.nats.a = { enable = true; settings = { http = ":1"; https = 2; cluster.listen = 3; websocket.listen = ":4"; }; };`,
			"127.0.0.1:4222 127.0.0.1:1 127.0.0.1:2 *:3 *:4", "127.0.0.1:4222"}, // a part does not listen where its server does
		{"nats parts", `services.nats.a = { enable = true; settings = { cluster.port = 1; websocket.listen = "127.0.0.2:2"; mqtt = { host = "0.0.0.0"; port = 3; }; jetstream = false; }; };`,
			"127.0.0.1:4222 127.0.0.1:1 127.0.0.2:2 *:3", "127.0.0.1:4222"},
		{"rabbitmq beside others", `services.rabbitmq.a = { enable = true; distAddress = "10.0.255.0"; };`, "127.0.0.1:5672 10.0.255.0:25672 10.0.255.0:30672", "127.0.0.1:5672"},
		{"rabbitmq on IPv6", `services.rabbitmq.a = { enable = true; configItems = { "listeners.tcp.1" = ":::1"; "listeners.tcp.2" = "::1:2"; "listeners.tcp.3" = 3; }; };`,
			"*:1 ::1:2 *:3 127.0.0.1:25672 127.0.0.1:30672", "127.0.0.1:1"},
		{"prometheus with passwords", `services.prometheus.a = { enable = true; extraFlags = [ "--web.config.file=x" ]; };`, "127.0.0.1:9090", "tcp 127.0.0.1:9090"},
		{"prometheus behind a proxy", `services.prometheus.a = { enable = true; webExternalUrl = "http://x/y/"; };`, "127.0.0.1:9090", "http://127.0.0.1:9090/y/-/ready"},
		{"prometheus at its root", `services.prometheus.a = { enable = true; webExternalUrl = "http://x/y/"; extraFlags = [ "--web.route-prefix=/" ]; };`, "127.0.0.1:9090", "http://127.0.0.1:9090/-/ready"},
		{"nginx datagrams", `services.nginx.a = { enable = true; streamConfig = "server { listen 127.0.0.1:1 udp; }"; virtualHosts.x.listenAddresses = [ "127.0.0.2" ]; };`, "127.0.0.1:1/udp 127.0.0.2:8080", "127.0.0.2:8080"},
		{"caddy administration", `services.caddy.a = { enable = true; globalConfig = "admin localhost:1"; };`, "localhost:1 *:8082", "127.0.0.1:8082"},
		{"caddy JSON administration", `services.caddy.a = { enable = true; settings = { admin.listen = "127.0.0.1:1"; apps.http.servers.s.listen = [ "tcp/127.0.0.2:2" ":3" ]; }; };`, "127.0.0.1:1 127.0.0.2:2 *:3", "127.0.0.2:2"},
		{"caddy JSON without administration", `services.caddy.a = { enable = true; settings = { admin = { listen = "127.0.0.1:1"; disabled = true; }; apps.http.servers.s.listen = [ ":3" ]; }; };`, "*:3", "127.0.0.1:3"},
		{"caddy snippets", `services.caddy.a = { enable = true; extraConfig = "(s) {\n  bind 127.0.0.9\n}\nhttp://a:1 {\n  import s # x {\n  handle {\n    bind 127.0.0.8\n  }\n}"; };`, "*:1", "127.0.0.1:1"},
		{"zookeeper lines", `services.zookeeper.a = { enable = true; extraConf = "clientPort = 1\nclientPortAddress=127.0.0.2"; };`, "127.0.0.2:1", "127.0.0.2:1"},
		{"zookeeper of a cluster", `services.zookeeper.a = { enable = true; id = 2; servers = "server.1=a:1:2\nserver.2=127.0.0.2:3:4;5"; };`, "127.0.0.1:2181 127.0.0.2:3 127.0.0.2:4", "127.0.0.1:2181"},
		{"phpfpm port", `services.phpfpm.a = { enable = true; listen = 1; };`, "127.0.0.1:1", "127.0.0.1:1"},
		{"phpfpm socket", `services.phpfpm.a = { enable = true; };`, "", "/phpfpm.sock"},
		{"phpfpm by its pool", `services.phpfpm.a = { enable = true; extraConfig.listen = "0.0.0.0:2"; };`, "*:2", "127.0.0.1:2"},
		{"pgbouncer settings", `services.pgbouncer.a = { enable = true; settings.pgbouncer = { listen_port = 1; listen_addr = "127.0.0.2,127.0.0.3"; }; };`, "127.0.0.2:1 127.0.0.3:1", "127.0.0.2:1"},
		{"etcd flags", `services.etcd.a = { enable = true; extraFlags = [ "--listen-client-urls" "https://127.0.0.2:1,http://127.0.0.3:2" ]; listenAddress = "0.0.0.0"; };`, "127.0.0.2:1 127.0.0.3:2 *:2380", "https://127.0.0.2:1"},
		{"etcd URLs", `services.etcd.a = { enable = true; listenClientUrls = [ "http://0.0.0.0:1" ]; listenPeerUrls = [ "http://[::1]:2" ]; };`, "*:1 ::1:2", "127.0.0.1:1"},
		{"alertmanager cluster", `services.alertmanager.a = { enable = true; clusterListenAddress = "0.0.0.0:1"; };`, "127.0.0.1:9093 *:1 *:1/udp", "127.0.0.1:9093"},
		{"alertmanager behind a proxy", `services.alertmanager.a = { enable = true; webExternalUrl = "http://x/y/"; };`, "127.0.0.1:9093", "http://127.0.0.1:9093/y/-/ready"},
		{"alertmanager with passwords", `services.alertmanager.a = { enable = true; extraFlags = [ "--web.config.file=x" ]; };`, "127.0.0.1:9093", "tcp 127.0.0.1:9093"},
		{"node-exporter with passwords", `services.node-exporter.a = { enable = true; extraFlags = [ "--web.config.file" "x" ]; };`, "127.0.0.1:9100", "tcp 127.0.0.1:9100"},
		{"etcd for those with certificates", `services.etcd.a = { enable = true; extraFlags = [ "--trusted-ca-file=x" ]; };`, "127.0.0.1:2379 127.0.0.1:2380", "tcp 127.0.0.1:2379"},
		{"etcd variables", `services.etcd.a = { enable = true; extraConf = { LISTEN_CLIENT_URLS = "http://127.0.0.2:1"; LISTEN_PEER_URLS = "http://127.0.0.3:2"; }; };`, "127.0.0.2:1 127.0.0.3:2", "127.0.0.2:1"},
		{"zookeeper on IPv6", `services.zookeeper.a = { enable = true; servers = "server.0=[::1]:2888:3888|10.0.0.1:2889:3889;2181"; };`, "127.0.0.1:2181 ::1:2888 ::1:3888 10.0.0.1:2889 10.0.0.1:3889", "127.0.0.1:2181"},
		{"grafana without an address", `services.grafana.a = { enable = true; settings.server.http_addr = null; };`, "*:3000", "127.0.0.1:3000"},
		{"node-exporter flags", `services.prometheus-node-exporter.a = { enable = true; extraFlags = [ "--web.listen-address=:1" ]; };`, "*:1", "127.0.0.1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := generate(t, "t.nix", "{ "+c.instance+" }")
			if err != nil {
				t.Fatal(err)
			}
			var ports []string
			for _, s := range p.Services {
				for _, port := range s.Ports {
					text := fmt.Sprintf("%s:%d", port.Address, port.Port)
					if port.Protocol != "" {
						text += "/" + port.Protocol
					}
					ports = append(ports, text)
				}
				if got := asked(p.Processes[s.Main].Readiness); !strings.Contains(got, c.probe) {
					t.Errorf("the probe asks %s, want %s", got, c.probe)
				}
			}
			want := strings.Fields(c.ports)
			slices.Sort(ports)
			slices.Sort(want)
			if !slices.Equal(ports, want) {
				t.Errorf("ports are %v, want %v", ports, want)
			}
		})
	}
}

// asked is where a probe asks.
func asked(probe *project.Probe) string {
	switch {
	case probe == nil:
		return "nobody"
	case probe.HTTP != nil:
		return fmt.Sprintf("%s://%s:%d%s http://%[2]s:%[3]d%[4]s", probe.HTTP.Scheme, probe.HTTP.Host, probe.HTTP.Port, probe.HTTP.Path)
	case probe.TCP != nil:
		return fmt.Sprintf("tcp %s:%d", probe.TCP.Host, probe.TCP.Port)
	case probe.Server != nil && !probe.Server.Socket.IsEmpty():
		return probe.Server.Socket.String()
	case probe.Server != nil:
		return fmt.Sprintf("%s:%d", probe.Server.Host, probe.Server.Port)
	}
	return "something else"
}
