package catalog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// The whole life of servers that no test can have, by stand-ins that take what is documented
// and nothing else, two instances of each: set up, ready, written to, killed and back, stopped,
// and with their data on the second start; none as root, none listens where the definition
// does not say.
func TestStandInsLive(t *testing.T) {
	t.Parallel()
	needs(t, "python3")
	const services = `
	  mongodb.a = { enable = true; replSetName = "rs"; passwordFile = "./password"; initialScript = "./first.js"; extraConfig = "setParameter:\n  notablescan: true"; };
	  mongodb.b = { enable = true; bind = "127.0.0.2"; enableAuth = true; password = "p"; quiet = true; settings.storage.wiredTiger.engineConfig.cacheSizeGB = 0.5; extraFlags = [ "--directoryperdb" ]; };
	  elasticsearch.a = { enable = true; settings = { node.name = "a"; "action.auto_create_index" = false; }; extraJavaOptions = [ "-Xms1g" "-Xmx1g" ]; };
	  elasticsearch.b = { enable = true; listenAddress = "127.0.0.2"; single_node = false; extraConf = "cluster.initial_master_nodes: [ \"b\" ]\nnode.name: 'b'"; extraCmdLineOptions = [ "--quiet" ]; };
	  cassandra.a.enable = true;
	  cassandra.b = { enable = true; listenAddress = "127.0.0.2"; jmxPort = 7198; seedAddresses = [ "127.0.0.1" ]; maxHeapSize = "1G"; heapNewSize = "200M"; mallocArenaMax = 4; logbackConfig = "<configuration/>"; jvmOpts = [ "-Xss1m" ]; extraConfig = { num_tokens = 4; authenticator.class_name = "PasswordAuthenticator"; }; };
	  qdrant.a = { enable = true; apiKeyFile = "./password"; };
	  qdrant.b = { enable = true; host = "127.0.0.2"; settings = { cluster.enabled = true; storage.wal.wal_capacity_mb = 8; }; extraArgs = [ "--uri=http://127.0.0.2:6335" ]; };
	  weaviate.a = { enable = true; openPorts = true; modules = [ "text2vec-openai" ]; environment.QUERY_DEFAULTS_LIMIT = 100; };
	  weaviate.b = { enable = true; openPorts = true; host = "127.0.0.2"; bindAddress = "127.0.0.2"; grpcPort = 50052; dataPort = 7948; };
	  chromadb.a.enable = true;
	  chromadb.b = { enable = true; host = "127.0.0.2"; };
	  neo4j.a = { enable = true; initialPasswordFile = "./password"; };
	  neo4j.b = { enable = true; readOnly = true; workerCount = 2; defaultListenAddress = "127.0.0.2"; settings."server.memory.heap.max_size" = "1G"; extraServerConfig = "server.bolt.listen_address=127.0.0.3:7687"; };
	  open-webui.a = { enable = true; environment.OLLAMA_BASE_URL = "http://127.0.0.1:11434"; };
	  open-webui.b = { enable = true; host = "127.0.0.2"; secretKey = "k"; };
	  pgadmin.a = { enable = true; passwordLength = 8; initialEmail = "me@example.org"; initialPasswordFile = "./password"; };
	  pgadmin.b = { enable = true; host = "127.0.0.2"; initialEmail = "me@example.org"; initialPassword = "p \"w";
	    emailServer = { "enable" = true; address = "127.0.0.1"; port = 2525; useTLS = true; username = "me"; sender = "me@example.org"; passwordFile = "./password"; }; extraConfig = { MAX_LOGIN_ATTEMPTS = 3; AUTHENTICATION_SOURCES = [ "internal" ]; }; };
	  searxng.a = { enable = true; port = 8888; secret_keyFile = "./password"; settings.search.formats = [ "html" "json" ]; };
	  searxng.b = { enable = true; host = "127.0.0.2"; port = 8889; use_default_settings = false; settings.server.limiter = true; };
	  searxng.c = { enable = true; port = 8890; settingsFile = "./searx.yml"; };
	  tika.a = { enable = true; configFile = "./tika.xml"; enableOcr = false; };
	  tika.b = { enable = true; host = "127.0.0.2"; enableOcr = false; extraArgs = [ "-noFork" ]; };
	  pubsub-emulator.a = { enable = true; project = "shop"; };
	  pubsub-emulator.b = { enable = true; host = "127.0.0.2"; };`
	s := testkit.NewStackFrom(t, "")
	useStandIns(t, s, "mongod", "mongosh", "elasticsearch", "cassandra", "qdrant", "weaviate", "chroma", "neo4j", "neo4j-admin",
		"open-webui", "pgadmin4", "pgadmin4-cli", "searxng-run", "tika-server", "cloud-pubsub-emulator")
	s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
	s.Write("password", "of a file\n")
	s.Write("first.js", "db.shop.insertOne({})")
	s.Write("searx.yml", `{"use_default_settings": true, "server": {"secret_key": "s"}}`)
	s.Write("tika.xml", "<properties/>")
	keep := []string{"http://127.0.0.1:9200", "http://127.0.0.2:9200", "http://127.0.0.1:6333", "http://127.0.0.2:6333", "http://127.0.0.1:8080", "http://127.0.0.2:8080",
		"http://127.0.0.1:8000", "http://127.0.0.2:8000", "http://127.0.0.1:7474", "http://127.0.0.2:7474", "http://127.0.0.1:1111", "http://127.0.0.2:1111",
		"http://127.0.0.1:5050", "http://127.0.0.2:5050"}
	// An "enable" in quotes is none of a service.
	liveByStandIns(t, s, services, strings.Count(services, "enable = true"), keep, "0.0.0.0:50051", "0.0.0.0:7947", "0.0.0.0:50052", "0.0.0.0:7948")
}

// useStandIns puts stand-ins of these names before the programs of the machine.
func useStandIns(t *testing.T, s *testkit.Stack, names ...string) {
	t.Helper()
	programs := filepath.Join(s.Dir, "programs")
	for _, name := range names {
		standIn(t, programs, name)
	}
	s.Env = append(s.Env, "PATH="+programs+":"+filepath.Dir(s.Bin)+":"+os.Getenv("PATH"))
}

// liveByStandIns is the life of stand-ins that are the services of s, as many as running. Those of keep are
// written to, and have what was written on the second start. open are the addresses that
// listen elsewhere than on loopback.
func liveByStandIns(t *testing.T, s *testkit.Stack, services string, running int, keep []string, open ...string) {
	t.Helper()
	run := s.Start("up")
	run.WaitLine("all services healthy")
	for _, url := range keep {
		if _, stderr, code := s.ExecCommand("curl", "-sSf", "-X", "PUT", "--data-binary", "of "+url, url+"/kept/note"); code != 0 {
			t.Errorf("%s: %s", url, stderr)
		}
	}
	audit(t, s, services, open...)
	before := healthyMains(t, s)
	if len(before) != running {
		t.Errorf("%d services run, want %d: %v", len(before), running, before)
	}
	noneAsRoot(t, before)
	killAndBack(t, s, before)
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	for _, url := range keep {
		s.WantBody(url+"/kept/note", "of "+url)
	}
	run.Stop()
}

// noneAsRoot wants each of these processes, by label, to have another user.
func noneAsRoot(t *testing.T, pids map[string]int) {
	t.Helper()
	for label, pid := range pids {
		if uid, ok := uidOf(pid); !ok || uid == 0 {
			t.Errorf("%s runs as %d", label, uid)
		}
	}
}
