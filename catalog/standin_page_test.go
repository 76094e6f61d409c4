package catalog_test

import (
	"testing"

	"nix2gpu/internal/testkit"
)

// The whole life of the servers that the page of services names and no test can have, by
// stand-ins, two instances of each: set up, ready, written to, killed and back, stopped, and
// with their data on the second start; none as root, none listens where the definition does
// not say.
func TestStandInsOfThePageLive(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	const services = `
	  clickhouse.a = { enable = true; port = 9010; databases = [ "shop" ]; ensureDatabases = [ "b" ]; initialDatabases = [ { name = "c"; schemas = [ ./schema.sql ]; } ]; };
	  clickhouse.b = { enable = true; port = 9010; listenAddress = "127.0.0.2"; extraConfig = { max_connections = 10; users.default.password_sha256_hex = "00"; interserver_http_port = 9009; }; };
	  grafana.a = { enable = true; settings.security.admin_password = "p"; datasources = [ { name = "metrics"; type = "prometheus"; access = "proxy"; url = "http://127.0.0.1:9090"; jsonData.timeInterval = "5s"; } ];
	    deleteDatasources = [ { name = "old"; orgId = 1; } ]; providers = [ { name = "own"; type = "file"; options.path = "/workspace/boards"; } ]; };
	  grafana.b = { enable = true; listenAddress = "127.0.0.2"; extraConf."auth.anonymous".enabled = true; declarativePlugins = [ ./plugins/shop-panel ];
	    provision = {
	      datasources.path = "/workspace/sources.yml"; dashboards.settings.providers = [ { name = "own"; options.path = "/workspace/boards"; } ];
	      alerting = { rules.settings.groups = [ { name = "g"; folder = "f"; interval = "1m"; rules = [ ]; } ]; contactPoints.path = "/workspace/points.yml"; };
	    };
	  };
	  jaeger.a.enable = true;
	  jaeger.b = { enable = true; listenAddress = "127.0.0.2"; storage = "badger"; extraFlags = [ "--query.base-path=/traces" "--collector.zipkin.host-port=127.0.0.2:9411" ]; };
	  minio.a = { enable = true; buckets = [ "pictures" ]; rootCredentialsFile = "./credentials"; };
	  minio.b = { enable = true; listenAddress = "127.0.0.2:9000"; consoleAddress = "127.0.0.2:9001"; region = "eu-1"; accessKey = "user"; secretKeyFile = "./password"; };
	  ollama.a = { enable = true; models = [ "llama3.2:1b" ]; loadModels = [ "library/small" ]; };
	  ollama.b = { enable = true; host = "127.0.0.2"; models = "/workspace/models"; home = "/workspace/home"; environmentVariables.OLLAMA_NUM_PARALLEL = "2"; rocmOverrideGfx = "10.3.0"; acceleration = false; };
	  apache-kafka.a = { enable = true; settings."num.partitions" = 3; jvmOptions = [ "-Xmx512m" ]; topics = { orders = { partitions = 4; settings."retention.ms" = 60000; }; plain = { }; }; };
	  apache-kafka.b = { enable = true; clusterId = "MkU3OEVBNTcwNTJENDM2Qk"; listenAddress = "127.0.0.2"; controllerPort = 9193; settings.listeners = [ "PLAINTEXT://127.0.0.2:9092" "CONTROLLER://127.0.0.1:9193" ]; };
	  mlflow.a.enable = true;
	  mlflow.b = { enable = true; host = "127.0.0.2"; backendStoreUri = "sqlite:///runs.db"; artifactsDestination = "/workspace/artifacts"; workers = 1; extraArgs = [ "--static-prefix=/ml" ]; };`
	s := testkit.NewStackFrom(t, "")
	useStandIns(t, s, "clickhouse", "clickhouse-server", "clickhouse-client", "grafana", "jaeger-all-in-one", "minio", "ollama",
		"kafka-server-start.sh", "kafka-storage.sh", "kafka-topics.sh", "mlflow")
	s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
	s.Write("password", "of a file\n")
	s.Write("credentials", "MINIO_ROOT_USER=user\nMINIO_ROOT_PASSWORD=of a file\n")
	s.Write("schema.sql", "CREATE TABLE IF NOT EXISTS t (n Int64) ENGINE = MergeTree ORDER BY n")
	s.Write("plugins/shop-panel/plugin.json", `{"type": "panel", "name": "Shop", "id": "shop-panel"}`)
	s.Write("sources.yml", `{"apiVersion": 1, "datasources": [{"name": "logs", "type": "loki", "access": "proxy"}]}`)
	s.Write("points.yml", `{"apiVersion": 1, "contactPoints": [{"orgId": 1, "name": "mail", "receivers": [{"uid": "m", "type": "email", "settings": {"addresses": "me@example.org"}}]}]}`)
	var keep []string
	for _, port := range []string{"8123", "3000", "9000", "11434"} {
		keep = append(keep, "http://127.0.0.1:"+port, "http://127.0.0.2:"+port)
	}
	keep = append(keep, "http://127.0.0.2:16686", "http://127.0.0.1:5000", "http://127.0.0.2:5000")
	liveByStandIns(t, s, services, 14, keep)
}
