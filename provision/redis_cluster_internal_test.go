package provision

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// A dyingConn is one whose owner is killed when it has sent so many commands.
type dyingConn struct {
	net.Conn
	left *int
}

var errKilled = errors.New("killed")

func (c *dyingConn) Write(b []byte) (int, error) {
	if *c.left--; *c.left < 0 {
		return 0, errKilled
	}
	return c.Conn.Write(b)
}

// Whoever makes a cluster may be killed at any point: the next one goes on from there. A
// node that has lost its data is a replica again.
func TestRedisClusterResumes(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server")
	}
	var nodes words
	stops := map[int]func(){}
	dirs := map[int]string{}
	startIn := func(i int, dir string) {
		at, _, _ := strings.Cut(nodes[i], "@")
		_, port, _ := net.SplitHostPort(at)
		_, bus, _ := strings.Cut(nodes[i], "@")
		cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-port", bus,
			"--cluster-node-timeout", "2000", "--dir", dir, "--save", "", "--requirepass", "word", "--masterauth", "word")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stops[i] = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
		dirs[i] = dir
	}
	start := func(i int) { startIn(i, t.TempDir()) }
	for i := range 6 {
		nodes = append(nodes, fmt.Sprintf("127.0.0.1:%d@%d", testkit.Port(t), testkit.Port(t)))
		start(i)
	}
	t.Cleanup(func() {
		for _, stop := range stops {
			stop()
		}
	})
	attempt := func(commands int) (killed bool, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := redisCluster{replicas: 1}
		for _, at := range nodes {
			var n *redisNode
			if !testkit.Eventually(func() bool { n, err = dialRedis(ctx, at, "word"); return err == nil }) {
				t.Fatal(err)
			}
			defer n.conn.Close()
			n.conn = &dyingConn{n.conn, &commands}
			c.nodes = append(c.nodes, n)
		}
		err = c.run(ctx)
		return commands < 0, err
	}
	for commands := 1; ; commands += 5 {
		killed, err := attempt(commands)
		if err == nil {
			break
		}
		if !killed {
			t.Fatal(err)
		}
	}
	count := func(what string) (n int) {
		t.Helper()
		c, err := dialRedis(t.Context(), nodes[1], "word")
		if err != nil {
			t.Fatal(err)
		}
		defer c.conn.Close()
		text, err := c.do("CLUSTER", "NODES")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text) {
			if strings.Contains(line, what) && !strings.Contains(line, "fail") && !strings.Contains(line, "noaddr") {
				n++
			}
		}
		return n
	}
	// Of a node that is gone, others may know for a while, or know only that it has no address.
	balanced := func() bool { return count("master") == 3 && count("slave") == 3 }
	if !testkit.Eventually(balanced) {
		t.Errorf("%d masters and %d replicas, want 3 and 3", count("master"), count("slave"))
	}

	stops[5]()
	start(5)
	if _, err := attempt(1 << 30); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(balanced) {
		t.Errorf("with a node that lost its data, %d masters and %d replicas, want 3 and 3", count("master"), count("slave"))
	}

	// A master that lost its data, and that its replica had the place of before.
	do := func(i int, command ...string) string {
		t.Helper()
		c, err := dialRedis(t.Context(), nodes[i], "word")
		if err != nil {
			t.Fatal(err)
		}
		defer c.conn.Close()
		answer, err := c.do(command...)
		return fmt.Sprint(answer, err)
	}
	do(3, "CLUSTER", "FAILOVER")
	if !testkit.Eventually(func() bool {
		return strings.Contains(do(0, "INFO", "replication"), "role:slave") && balanced()
	}) {
		t.Fatal("the first master's replica does not take over")
	}
	stops[3]()
	start(3)
	if _, err := attempt(1 << 30); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(balanced) {
		t.Errorf("with a master that lost its data, %d masters and %d replicas, want 3 and 3", count("master"), count("slave"))
	}

	// A node that knows no other one, but is known to all: a kill before it has written whom
	// it met leaves it so, and then it hears none of them.
	stops[2]()
	config := filepath.Join(dirs[2], "nodes.conf")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var own string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "myself") || strings.HasPrefix(line, "vars") {
			own += line
		}
	}
	if err := os.WriteFile(config, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	startIn(2, dirs[2])
	if _, err := attempt(1 << 30); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool { return balanced() && strings.Count(do(2, "CLUSTER", "NODES"), " connected") == 6 }) {
		t.Errorf("the node that had forgotten all others says %s", do(2, "CLUSTER", "NODES"))
	}
	at, _, _ := strings.Cut(nodes[3], "@")
	for i := range nodes {
		if says := do(i, "GET", "k2"); i != 3 && !strings.Contains(says, "MOVED 449 "+at) {
			t.Errorf("node %d says %q of a key of node 3", i, says)
		}
	}
}

// What a node refuses because of who asks, or of what it is, it refuses again.
func TestRedisRefusesForGood(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server")
	}
	port := strconv.Itoa(testkit.Port(t))
	cmd := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", "", "--requirepass", "word")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for password, want := range map[string]string{"": "NOAUTH", "other": "WRONGPASS", "word": "cluster support disabled"} {
		t.Setenv("REDISCLI_AUTH", password)
		var err error
		testkit.Eventually(func() bool {
			err = makeRedisCluster(t.Context(), redisOptions{nodes: words{"127.0.0.1:" + port + "@1"}})
			return !strings.Contains(err.Error(), "connection refused")
		})
		if _, lasts := errors.AsType[*LastingError](err); !lasts || !strings.Contains(err.Error(), want) {
			t.Errorf("with the password %q: %v, want %q", password, err, want)
		}
	}
}
