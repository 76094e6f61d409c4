package catalog_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// Two clusters of Redis keep keys in all their slots, go on when a node is killed, whose
// replica has its keys, and have them on the second start. Whoever waits for a cluster begins
// when it serves.
func TestRedisClustersLive(t *testing.T) {
	t.Parallel()
	needs(t, "redis-server")
	s := testkit.NewStackFrom(t, "")
	const services = `
	  redis-cluster.c1 = { enable = true; requirePassFile = "./password"; };
	  redis-cluster.c2 = { enable = true; bind = "127.0.0.2"; replicas = 0; timeout = 1000; nodes = { a.port = 7001; b = { port = 7002; extraConfig = "cluster-port 7102"; }; c.port = 7003; }; };`
	const first = `
	  custom.first = { enable = true; command = "redis-cli -c -h 127.0.0.2 -p 7001 set first come | grep OK"; depends_on.c2 = "ready"; };
	  custom.second = { enable = true; command = "redis-cli -c -p 30006 get x"; environment.REDISCLI_AUTH = "word\" of a file"; depends_on.c1-cluster-create.condition = "process_completed_successfully"; };`
	s.Write("nix2gpu.nix", "{ services = {"+services+first+"}; }\n")
	s.Write("password", "word\" of a file\n")
	cli := func(want string, args ...string) {
		t.Helper()
		var out, stderr string
		if !testkit.Eventually(func() bool {
			out, stderr, _ = s.ExecCommand("env", append([]string{`REDISCLI_AUTH=word" of a file`, "redis-cli", "-c"}, args...)...)
			return strings.TrimSpace(out) == want
		}) {
			t.Errorf("%q answered %q %s, want %q", args, out, stderr, want)
		}
	}
	killInSetUp(t, s, "redis-cluster.c1-n1: starting", "redis-cluster.c1: starting")
	run := s.Start("up")
	run.WaitLine("all services healthy")
	if out, _, _ := s.ExecCommand("redis-cli", "-p", "30001", "ping"); !strings.HasPrefix(out, "NOAUTH") {
		t.Errorf("without the password it says %q", out)
	}
	for i := range 20 {
		cli("OK", "-p", "30001", "set", fmt.Sprint("key", i), fmt.Sprint("value", i))
	}
	before := healthyMains(t, s)
	if len(before) != 9 {
		t.Fatalf("%d nodes run, want 9: %v", len(before), before)
	}
	noneAsRoot(t, before)
	audit(t, s, services)

	// A replica takes over as soon as it counts its master as down.
	if err := syscall.Kill(before["redis-cluster.c1-n1"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		cli(fmt.Sprint("value", i), "-p", "30002", "get", fmt.Sprint("key", i))
	}
	killAndBack(t, s, healthyMains(t, s))
	for i := range 20 {
		cli(fmt.Sprint("value", i), "-p", "30003", "get", fmt.Sprint("key", i))
	}
	run.Stop()

	run = s.Start("up")
	run.WaitLine("all services healthy")
	for i := range 20 {
		cli(fmt.Sprint("value", i), "-p", "30004", "get", fmt.Sprint("key", i))
	}
	cli("6", "-p", "30001", "eval", "local n = 0; for _ in string.gmatch(redis.call('cluster', 'nodes'), ' connected') do n = n + 1 end; return n", "0")
	if out, _, _ := s.ExecCommand("redis-cli", "-c", "-h", "127.0.0.2", "-p", "7002", "get", "first"); out != "come\n" {
		t.Errorf("the second cluster has %q", out)
	}
	run.Stop()
}
