package catalog_test

import (
	"testing"

	"nix2gpu/internal/testkit"
)

// The whole life of what watches other servers, and of what stands in for them, by stand-ins,
// two instances of each: ready, written to, killed and back, stopped, and with their data on
// the second start; none as root, none listens where the definition does not say.
func TestStandInsOfToolsLive(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	const services = `
	  loki.a.enable = true;
	  loki.b = { enable = true; httpAddress = "127.0.0.2"; extraConfig = { auth_enabled = false; limits_config.retention_period = "7d"; compactor.retention_enabled = true; }; extraFlags = [ "-log.level=warn" ]; };
	  tempo.a = { enable = true; otlpGrpcPort = 4317; otlpHttpPort = 4318; };
	  tempo.b = { enable = true; httpAddress = "127.0.0.2"; extraConfig.storage.trace.pool.max_workers = 50; extraFlags = [ "--log.level=warn" ]; };
	  pyroscope.a = { enable = true; grpcPort = 9097; };
	  pyroscope.b = { enable = true; httpAddress = "127.0.0.2"; grpcPort = 9097; extraConfig = { limits.max_query_length = "7d"; show_banner = false; }; extraFlags = [ "--self-profiling.disable-push" ]; };
	  alloy.a = { enable = true; configFile = "./config.alloy"; };
	  alloy.b = { enable = true; configFile = "./config.alloy"; listenAddress = "127.0.0.2"; extraFlags = [ "--disable-reporting" "--stability.level=experimental" ]; };
	  mailpit.a.enable = true;
	  mailhog.b = { enable = true; api.host = "127.0.0.2"; smtp.host = "127.0.0.2"; max = 0; uiAuthFile = "./users"; smtpAuthFile = "./users"; extraArgs = [ "--smtp-auth-allow-insecure" "--pop3" "127.0.0.2:1110" "--pop3-auth-file=./users" ]; };
	  seaweedfs.a.enable = true;
	  seaweedfs.b = { enable = true; host = "127.0.0.2"; filer.enable = true; s3 = { enable = true; config = "./users"; }; master.grpcPort = 19999; extraArgs = [ "-master.telemetry=false" ]; };
	  elasticmq.a = { enable = true; extraOptions = "queues.orders.delay = 1 seconds"; };
	  elasticmq.b = { enable = true; restSqs.bindHost = "127.0.0.2"; restStats.enable = false; generateNodeAddress = true; jvmOptions = [ "-Dlogback.configurationFile=./users" ]; };
	  plantuml.a = { enable = true; port = 8081; };
	  plantuml.b = { enable = true; host = "127.0.0.2"; port = 8081; };`
	s := testkit.NewStackFrom(t, "")
	useStandIns(t, s, "loki", "tempo", "pyroscope", "alloy", "mailpit", "weed", "elasticmq-server", "plantuml")
	s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
	s.Write("config.alloy", `logging { level = "warn" }`)
	s.Write("users", "me:hash\n")
	var keep []string
	for _, port := range []string{"3100", "3200", "4040", "12345", "8025", "8080"} {
		keep = append(keep, "http://127.0.0.1:"+port, "http://127.0.0.2:"+port)
	}
	liveByStandIns(t, s, services, 16, keep)
}
