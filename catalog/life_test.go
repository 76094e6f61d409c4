package catalog_test

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// The whole life of servers, two instances of each: ready, used by a real client, killed
// and back, stopped in order, and with their data on the second start; none as root, none
// listens where the definition does not say.
func TestServersLive(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"/usr/share/zookeeper/bin/zkCli.sh", "/usr/sbin/php-fpm8.2", "pgbouncer", "etcd", "prometheus-alertmanager", "prometheus-node-exporter", "nginx"} {
		if _, err := os.Stat(program); err != nil {
			needs(t, filepath.Base(program))
		}
	}
	const services = `
	  postgresql.db = { enable = true; databases = [ "users" ]; };
	  pgbouncer.a = { enable = true; databases.users = "host=127.0.0.1 port=5432"; users.postgres = null; depends_on.db = "ready"; };
	  pgbouncer.b = { enable = true; port = 6433; databases."*" = "host=127.0.0.1 port=5432 user=postgres"; users.reader = "p \"w"; poolMode = "transaction"; };
	  zookeeper.a.enable = true;
	  zookeeper.b = { enable = true; extraConf = "clientPort=2182\ntickTime=2000"; extraCmdLineOptions = [ "-Xmx128m" ]; };
	  etcd.a.enable = true;
	  etcd.b = { enable = true; listenClientUrls = [ "http://127.0.0.2:2379" ]; initialAdvertisePeerUrls = [ "http://127.0.0.1:2381" "http://127.0.0.2:2381" ];
	    listenPeerUrls = [ "http://127.0.0.1:2381" "http://127.0.0.2:2381" ]; extraFlags = [ "--name=second" ]; };
	  alertmanager.a.enable = true;
	  alertmanager.b = { enable = true; extraFlags = [ "--web.listen-address=127.0.0.2:9093" ]; webExternalUrl = "http://example.org/alerts/"; };
	  node-exporter.a.enable = true;
	  node-exporter.b = { enable = true; port = 9101; disabledCollectors = [ "cpu" ]; };
	  phpfpm.a = { enable = true; phpOptions = "date.timezone = CET"; phpEnv.GREETING = "hel;lo \"you\" \\ & \${me}"; };
	  phpfpm.b = { enable = true; listen = 9001; extraConfig."pm.max_children" = 2; };
	  nginx.web = { enable = true; httpConfig = ''
	    server {
	      listen 127.0.0.1:8080;
	      fastcgi_param SCRIPT_FILENAME /workspace/index.php;
	      fastcgi_param REQUEST_METHOD $request_method;
	      location = /a { fastcgi_pass unix:/workspace/data/phpfpm/a/phpfpm.sock; }
	      location = /b { fastcgi_pass 127.0.0.1:9001; }
	    }
	  ''; };`
	s := testkit.NewStackFrom(t, "")
	s.Write("nix2gpu.nix", "{ services = {\n"+services+"\n}; }\n")
	s.Write("index.php", `<?php echo getenv("GREETING"), " ", date_default_timezone_get(), " from ", posix_getuid() == 0 ? "root" : "another";`)
	ask := func(want string, command ...string) {
		t.Helper()
		asks(t, s, want, command...)
	}
	etcd := func(instance, want string, command ...string) {
		t.Helper()
		url := map[string]string{"a": "http://127.0.0.1:2379", "b": "http://127.0.0.2:2379"}[instance]
		ask(want, append([]string{"env", "ETCDCTL_API=3", "etcdctl", "--endpoints=" + url}, command...)...)
	}
	zookeeper := func(instance, want string, command ...string) {
		t.Helper()
		port := map[string]string{"a": "2181", "b": "2182"}[instance]
		ask(want, append([]string{"sh", "-c", `exec /usr/share/zookeeper/bin/zkCli.sh "$@" 2>&1`, "sh", "-server", "127.0.0.1:" + port}, command...)...)
	}
	alerts := func(instance, want string, command ...string) {
		t.Helper()
		url := map[string]string{"a": "http://127.0.0.1:9093", "b": "http://127.0.0.2:9093/alerts"}[instance]
		ask(want, append([]string{"amtool", "--alertmanager.url=" + url}, command...)...)
	}
	stateless := func() {
		t.Helper()
		ask("users", "psql", "-h", "127.0.0.1", "-p", "6432", "-U", "postgres", "-Atc", "select current_database()", "users")
		ask("postgres", "env", `PGPASSWORD=p "w`, "psql", "-h", "127.0.0.1", "-p", "6433", "-U", "reader", "-Atc", "select current_user", "users")
		s.WantBody("http://127.0.0.1:8080/a", `hel;lo "you" \ & ${me} CET from another`)
		s.WantBody("http://127.0.0.1:8080/b", " UTC from another")
		s.WantBody("http://127.0.0.1:9100/metrics", "node_cpu_seconds_total")
		s.WantBody("http://127.0.0.1:9101/metrics", "node_memory_MemFree_bytes")
	}

	killInSetUp(t, s, "etcd.b: starting", "published {Name:second")
	unbegin(t, filepath.Join(s.Dir, "data/etcd/b/member"))
	run := s.Start("up")
	run.WaitLine("all services healthy")
	stateless()
	etcd("a", "OK", "put", "key", "of a")
	etcd("b", "OK", "put", "key", "of b")
	zookeeper("a", "Created /key", "create", "/key", "of-a")
	zookeeper("b", "Created /key", "create", "/key", "of-b")
	if pw, _, code := s.ExecCommand("env", "PGPASSWORD=wrong", "psql", "-h", "127.0.0.1", "-p", "6433", "-U", "reader", "-Atc", "select 1", "users"); code == 0 {
		t.Errorf("pgbouncer takes a wrong password: %q", pw)
	}
	audit(t, s, services)

	before := healthyMains(t, s)
	if len(before) != 14 {
		t.Fatalf("%d services run, want 14: %v", len(before), before)
	}
	noneAsRoot(t, before)
	killAndBack(t, s, before)
	stateless()
	etcd("a", "of a", "get", "key")
	zookeeper("a", "of-a", "get", "/key")
	alerts("a", "-", "silence", "add", "alertname=a", "--comment=c", "--author=me") // kept when it ends in order
	alerts("b", "-", "silence", "add", "alertname=b", "--comment=c", "--author=me")
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	stateless()
	etcd("a", "of a", "get", "key")
	etcd("b", "of b", "get", "key")
	zookeeper("b", "of-b", "get", "/key")
	alerts("a", "alertname=\"a\"", "silence", "query")
	alerts("b", "alertname=\"b\"", "silence", "query")
	run.Stop()
}

// unbegin leaves of a member of etcd what one has that was killed before its first entry:
// the head of its log, which are three records.
func unbegin(t *testing.T, member string) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(member, "wal", "*.wal"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("the logs of %s are %v, %v", member, logs, err)
	}
	data, err := os.ReadFile(logs[0])
	if err != nil {
		t.Fatal(err)
	}
	head := 0
	for range 3 {
		word := binary.LittleEndian.Uint64(data[head:])
		head += 8 + int(word&(1<<56-1))
		if padding := word >> 56; padding != 0 {
			head += int(padding & 7)
		}
	}
	clear(data[head:])
	if err := os.WriteFile(logs[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(member, "snap", "db")); err != nil {
		t.Fatal(err)
	}
}

// asks runs a command beside a stack until its output has what is wanted.
func asks(t *testing.T, s *testkit.Stack, want string, command ...string) {
	t.Helper()
	var out, stderr string
	if !testkit.Eventually(func() bool {
		out, stderr, _ = s.ExecCommand(command[0], command[1:]...)
		return strings.Contains(out, want)
	}) {
		t.Errorf("%q answered %q %s, want %q", command, out, stderr, want)
	}
}

// mains are the processes of the services that are healthy, by label; 0 for others. One that
// has completed has none.
func mains(t *testing.T, s *testkit.Stack) map[string]int {
	t.Helper()
	var all struct {
		Services []struct {
			Label  string `json:"label"`
			State  string `json:"state"`
			Health string `json:"health"`
			PID    int    `json:"pid"`
		} `json:"services"`
	}
	if err := json.Unmarshal([]byte(s.MustExec("ps", "-o", "json")), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, one := range all.Services {
		switch {
		case one.State == "completed":
		case one.Health == "healthy":
			out[one.Label] = one.PID
		default:
			out[one.Label] = 0
		}
	}
	return out
}

// healthyMains is mains once all are healthy: on a busy machine a probe may fail in between.
func healthyMains(t *testing.T, s *testkit.Stack) (pids map[string]int) {
	t.Helper()
	if !testkit.Eventually(func() bool {
		pids = mains(t, s)
		return !slices.Contains(slices.Collect(maps.Values(pids)), 0)
	}) {
		t.Fatalf("not all are healthy: %v", pids)
	}
	return pids
}

// killAndBack kills the processes that mains has told of, and wants others in their place.
func killAndBack(t *testing.T, s *testkit.Stack, before map[string]int) {
	t.Helper()
	for label, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("%s: %v", label, err)
		}
	}
	var now map[string]int
	if !testkit.Eventually(func() bool {
		now = mains(t, s)
		for label, pid := range now {
			if pid == 0 || pid == before[label] {
				return false
			}
		}
		return len(now) == len(before)
	}) {
		t.Errorf("killed %v, and back are %v", before, now)
	}
}

func uidOf(pid int) (uid int, ok bool) {
	var st syscall.Stat_t
	err := syscall.Stat("/proc/"+strconv.Itoa(pid), &st)
	return int(st.Uid), err == nil
}

// audit wants the listeners of a stack to be those that its project declares, on loopback
// but for those of servers that take no address.
func audit(t *testing.T, s *testkit.Stack, services string, open ...string) {
	t.Helper()
	auditBut(t, s, services, nil, open...)
}

// auditBut is audit where nobody need listen at some of what is declared.
func auditBut(t *testing.T, s *testkit.Stack, services string, silent []string, open ...string) {
	t.Helper()
	p, err := generate(t, "t.nix", "{ services = {"+services+"}; }")
	if err != nil {
		t.Fatal(err)
	}
	want := declared(p)
	for _, at := range silent {
		if !want[at] {
			t.Errorf("%s is not declared", at)
		}
		delete(want, at)
	}
	var got map[string]bool
	if !testkit.Eventually(func() bool { got = listeners(t, s.Net); return len(missing(want, got)) == 0 }) {
		t.Errorf("declared, and nobody listens: %v", missing(want, got))
	}
	for _, at := range missing(got, want) {
		t.Errorf("%s is listened on, and not declared", at)
	}
	for at := range got {
		host, _, _ := net.SplitHostPort(at)
		if !net.ParseIP(host).IsLoopback() && !slices.Contains(open, at) {
			t.Errorf("%s is open to everyone, unasked", at)
		}
	}
}
