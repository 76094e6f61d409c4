package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/probe"
	"nix2gpu/project"
	"nix2gpu/rundir"
)

// realServers are the types of services that were tried with a real server, by the table that
// the catalogue writes of them; such a machine as "make deps-all" makes has all of these.
func realServers(b *testing.B) (types []string) {
	table, err := os.ReadFile("../docs/reference/services/README.md")
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| \\[`([a-z-]+)`\\].*\\| the server of [^|]+ \\|$").FindAllStringSubmatch(string(table), -1) {
		if row[1] != "custom" {
			types = append(types, row[1])
		}
	}
	if len(types) == 0 {
		b.Fatal("the table of services names no real server")
	}
	return types
}

// BenchmarkReady measures, for each real server with data of an earlier run, the time from
// the command "nix2gpu up" until it is ready, and until the bare server is, with the same
// words, variables and user. It may be 0.12 s longer, or 1.3 times as long; over-ms is what
// is beyond both.
func BenchmarkReady(b *testing.B) {
	for _, typ := range realServers(b) {
		b.Run(typ, func(b *testing.B) { benchmarkReady(b, typ) })
	}
}

func benchmarkReady(b *testing.B, typ string) {
	text, err := os.ReadFile(filepath.Join("../catalog/testdata/services", typ+".nix"))
	if err != nil {
		b.Fatal(err)
	}
	s := testkit.NewStackFrom(b, "")
	s.Write("example.nix", string(text))
	// With the last service the run would end, and its files with it. The probe lets "rest" be
	// ready at once: without one that takes half a second, which all would be measured with.
	s.Write("nix2gpu.nix", `{ imports = [ ./example.nix ]; services.custom."rest" = { enable = true; command = "exec sleep 1000000"; readiness_probe.exec.command = "true"; }; }`)
	p, err := project.Decode(strings.NewReader(s.MustExec("config", "--output", "project")))
	if err != nil {
		b.Fatal(err)
	}
	runOurs(s)
	var us, them []cost
	var servers []*bareServer
	for b.Loop() {
		start := time.Now()
		up := s.Start("up")
		up.WaitLine(healthy)
		us = append(us, cost{ready: time.Since(start)})
		if servers == nil {
			servers = bareServers(b, s, p, typ)
		}
		for _, server := range servers {
			s.MustExec("stop", server.service)
		}
		them = append(them, startBare(b, s, servers))
		up.Stop()
	}
	ready := func(c cost) time.Duration { return c.ready }
	ours, bare := median(us, ready), median(them, ready)
	b.ReportMetric(0, "ns/op") // it would hold both, and the stops as well
	b.ReportMetric(ours, "ready-ms")
	b.ReportMetric(bare, "bare-ready-ms")
	b.ReportMetric(ours/bare, "ratio")
	b.ReportMetric(max(0, ours-max(bare+120, 1.3*bare)), "over-ms")
}

// A bareServer is what runs a service, as it was seen while it ran.
type bareServer struct {
	service  string
	cmd      exec.Cmd // not started
	shutdown syscall.Signal
	ready    func() bool
}

// bareServers are those of all services but the one that rests, and our own programs.
func bareServers(b *testing.B, s *testkit.Stack, p *project.Project, typ string) (all []*bareServer) {
	b.Helper()
	var ps struct {
		Services []struct {
			ID  project.ID `json:"id"`
			PID int        `json:"pid"`
		} `json:"services"`
	}
	if err := json.Unmarshal([]byte(s.MustExec("ps", "-o", "json")), &ps); err != nil {
		b.Fatal(err)
	}
	for _, one := range ps.Services {
		main := p.Processes[p.Services[one.ID].Main]
		if words := main.Command.Exec; one.ID == "rest" || len(words) > 0 && words[0][0].Self { // ours, such as what joins a cluster
			continue
		}
		server := &bareServer{service: string(one.ID), shutdown: syscall.SIGTERM, ready: readiness(b, s, p, main.Readiness)}
		if check := main.Readiness; check != nil && check.Server != nil && typ == "redis-cluster" {
			// One node answers long before the cluster does, which waits half a second for others.
			server.ready = func() bool { return clusterAnswers(s, check.Server.Port) }
		}
		if main.Shutdown.Signal != 0 {
			server.shutdown = syscall.Signal(main.Shutdown.Signal)
		}
		proc := "/proc/" + strconv.Itoa(one.PID)
		environ, err := os.ReadFile(proc + "/environ")
		if err != nil {
			b.Fatal(err)
		}
		server.cmd.Env = strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00")
		server.cmd.Dir, _ = os.Readlink(proc + "/cwd")
		server.cmd.Args = []string{"/bin/sh", "-c", resolved(s, p, main.Command.Shell)}
		if len(main.Command.Exec) > 0 { // its command line in /proc may be one that it wrote itself
			server.cmd.Args = nil
			for _, word := range main.Command.Exec {
				server.cmd.Args = append(server.cmd.Args, resolved(s, p, word))
			}
		}
		server.cmd.Path = server.cmd.Args[0]
		var st syscall.Stat_t
		if err := syscall.Stat(proc, &st); err != nil {
			b.Fatal(err)
		}
		server.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: &syscall.Credential{Uid: st.Uid, Gid: st.Gid}}
		all = append(all, server)
	}
	return all
}

// resolved is a text of a project as it is on this machine while the project runs.
func resolved(s *testkit.Stack, p *project.Project, text project.Text) string {
	state := filepath.Join(s.Dir, ".nix2gpu", p.Name)
	run := filepath.Join("/run/nix2gpu-services", rundir.Key(p.Name, s.Dir))
	var b strings.Builder
	for _, part := range text {
		switch {
		case part.Run != nil:
			b.WriteString(run + *part.Run)
		case part.State != nil:
			b.WriteString(state + *part.State)
		case part.Root != nil:
			b.WriteString(s.Dir + *part.Root)
		case part.File != nil:
			b.WriteString(filepath.Join(run, "files", *part.File))
		case part.Package != nil:
			b.WriteString(filepath.Join(state, "packages", part.Package.Attr) + part.Package.Sub)
		default:
			b.WriteString(part.Literal)
		}
	}
	return b.String()
}

// readiness returns what asks a server as its probe does.
func readiness(b *testing.B, s *testkit.Stack, p *project.Project, check *project.Probe) func() bool {
	b.Helper()
	if check == nil {
		return func() bool { return true }
	}
	if check.HTTP != nil {
		host := check.HTTP.Host
		if host == "" || host == "localhost" {
			host = "127.0.0.1"
		}
		url := "http://" + host + ":" + strconv.Itoa(check.HTTP.Port) + check.HTTP.Path
		return func() bool {
			status, _, err := s.Get(url)
			return err == nil && (status == check.HTTP.Status || check.HTTP.Status == 0 && status/100 <= 3)
		}
	}
	checker, err := probe.NewChecker(check, probe.Deps{
		Resolve: func(t project.Text) (string, error) { return resolved(s, p, t), nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	return func() bool {
		ctx, cancel := context.WithTimeout(b.Context(), testkit.Patience)
		defer cancel()
		return s.Net.Do(func() error { return checker.Check(ctx) }) == nil
	}
}

// clusterAnswers asks a node of Redis Cluster whether the cluster serves all keys.
func clusterAnswers(s *testkit.Stack, port int) bool {
	var answer []byte
	err := s.Net.Do(func() error {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			return err
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "CLUSTER INFO\r\nQUIT\r\n"); err != nil {
			return err
		}
		answer, err = io.ReadAll(conn)
		return err
	})
	return err == nil && bytes.Contains(answer, []byte("cluster_state:ok"))
}

// startBare starts servers together, waits until all are ready, and ends them.
func startBare(b *testing.B, s *testkit.Stack, servers []*bareServer) cost {
	b.Helper()
	before := s.Net.Processes()
	start := time.Now()
	type running struct {
		*exec.Cmd
		ended chan struct{}
	}
	var all []running
	for _, server := range servers {
		cmd := &exec.Cmd{Path: server.cmd.Path, Args: server.cmd.Args, Env: server.cmd.Env, Dir: server.cmd.Dir, SysProcAttr: server.cmd.SysProcAttr}
		if err := s.Net.Do(cmd.Start); err != nil {
			b.Fatal(err)
		}
		r := running{cmd, make(chan struct{})}
		go func() {
			cmd.Wait()
			close(r.ended)
		}()
		all = append(all, r)
	}
	for i, server := range servers {
		for !server.ready() {
			select {
			case <-all[i].ended:
				b.Fatalf("the bare server of %s ended: %v", server.service, all[i].ProcessState)
			case <-time.After(2 * time.Millisecond):
			}
		}
	}
	c := cost{ready: time.Since(start)}
	for i, r := range all {
		syscall.Kill(r.Process.Pid, servers[i].shutdown)
	}
	for _, r := range all {
		<-r.ended
	}
	for _, left := range s.Net.Processes() { // such as the port mapper that Erlang starts
		pid, _, _ := strings.Cut(left, " ")
		if number, err := strconv.Atoi(pid); err == nil && !slices.Contains(before, left) {
			syscall.Kill(number, syscall.SIGKILL)
		}
	}
	return c
}
