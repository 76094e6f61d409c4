package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
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
)

// post sends a body from inside the stack's namespace.
func post(t *testing.T, s *testkit.Stack, url, body string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// wantLines wants these lines of ours on stdout in this order, others between them.
func wantLines(t *testing.T, stdout string, want ...string) {
	t.Helper()
	rest := stdout
	for _, line := range want {
		i := strings.Index(rest, line)
		if i < 0 {
			t.Errorf("stdout does not hold %q after the lines before it:\n%s", line, stdout)
			return
		}
		rest = rest[i+len(line):]
	}
}

func TestWebServer(t *testing.T) {
	s := testkit.NewStack(t, "web-server")
	up := s.Start("up")
	up.WaitLine(healthy)
	s.WantBody("http://127.0.0.1:8080/", "Served by nginx, from your own folder.")
	if status, _, err := s.Get("http://127.0.0.1:8080/none"); err != nil || status != http.StatusNotFound {
		t.Errorf("GET /none = %d, %v, want 404", status, err)
	}
	resp, err := s.Client.Get("http://127.0.0.1:8080/style.css")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/css" {
		t.Errorf("style.css is served as %q, want text/css", got)
	}
	up.Stop()
}

func TestAppWithDB(t *testing.T) {
	s := testkit.NewStack(t, "app-with-db")
	up := s.Start("up")
	up.WaitLine(healthy)
	if status, body := post(t, s, "http://127.0.0.1:8080/", "it's a note"); status != http.StatusCreated {
		t.Fatalf("POST / = %d %s, want 201", status, body)
	}
	s.WantBody("http://127.0.0.1:8080/", "it's a note")

	// mkOverride 10 replaces the default rules, so these two are all there are.
	out, stderr, code := s.ExecCommand("psql", "-qAtX", "-h", "127.0.0.1", "-d", "notes", "-c",
		"select type, array_to_string(database, ','), array_to_string(user_name, ','), address, auth_method from pg_hba_file_rules order by line_number")
	if code != 0 {
		t.Fatalf("psql: %s", stderr)
	}
	if want := "local|all|all||trust\nhost|all|all|0.0.0.0|trust\n"; out != want {
		t.Errorf("rules in force:\n%swant\n%s", out, want)
	}
	out, _, _ = s.ExecCommand("psql", "-qAtX", "-h", "127.0.0.1", "-d", "notes", "-c", "show listen_addresses")
	if out != "*\n" {
		t.Errorf("listen_addresses = %q, want *", out)
	}
	up.Stop()
}

func TestCustomApp(t *testing.T) {
	s := testkit.NewStack(t, "custom-app")
	s.Write("fast.nix", `{ services.custom."my-api" = {
  restart_delay = lib.mkForce "50ms";
  readiness_probe = lib.mkForce { http_get = { path = "/health"; port = 8080; }; };
}; }`)
	up := s.Start("up", "--module", "fast.nix")
	up.WaitLine(healthy)
	s.WantBody("http://127.0.0.1:8080/", "visit 1, served from "+s.Dir)
	if err := syscall.Kill(statusOf(t, s, "my-api").PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	up.WaitLine("[my-api] Starting server on port 8080") // the second start: restart = "always"
	s.WantBody("http://127.0.0.1:8080/", "visit 2, served from "+s.Dir)
	up.Stop()
}

// TestCustomAppAsWritten checks what the example's own numbers mean, without waiting
// for them.
func TestCustomAppAsWritten(t *testing.T) {
	s := testkit.NewStack(t, "custom-app")
	out := s.MustExec("up", "--dry-run")
	for _, want := range []string{
		"restart: always", "max_restarts: 10", "backoff_seconds: 5", "initial_delay_seconds: 10", "period_seconds: 30",
		"path: /health", `port: "8080"`, "PORT=8080", "condition: process_healthy",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("up --dry-run does not show %q:\n%s", want, out)
		}
	}
	s.WantNothingLeft()
}

func TestGPUInference(t *testing.T) {
	t.Run("with a GPU", func(t *testing.T) {
		s := testkit.NewStack(t, "gpu-inference")
		if _, err := exec.LookPath("nvidia-smi"); err != nil {
			s.Write("bin/nvidia-smi", "#!/bin/sh\necho 'NVIDIA-SMI 570.00: 1 GPU'\n")
		}
		up := s.Start("up")
		up.WaitLine("[nix2gpu] inference-api: starting")
		s.WantBody("http://127.0.0.1:8080/predict?x=3", `{"y": 7.0, "device": "0"}`)
		wantLines(t, up.Stdout(), "[nix2gpu] gpu-check: starting", "[nix2gpu] inference-api: waiting for dependencies",
			"[nix2gpu] gpu-check: completed", "[nix2gpu] inference-api: starting")
		up.Stop()
	})
	t.Run("without one", func(t *testing.T) {
		s := testkit.NewStack(t, "gpu-inference")
		s.Write("bin/nvidia-smi", "#!/bin/sh\necho 'No devices were found' >&2\nexit 9\n")
		up := s.Start("up")
		if code := up.Wait(); code != 9 {
			t.Errorf("exit code %d, want 9: the first failure's", code)
		}
		wantLines(t, up.Stdout(), "[gpu-check] No devices were found", "gpu-check: failed", "inference-api: skipped")
		for line := range strings.Lines(up.Stdout()) {
			if strings.Contains(line, "inference-api: skipped") && !strings.Contains(line, "gpu-check") {
				t.Errorf("the line does not say why: %q", line)
			}
		}
		s.WantNothingLeft()
	})
}

func TestMLTraining(t *testing.T) {
	s := testkit.NewStack(t, "ml-training")
	s.Write("fast.nix", `{ services.custom."model-server".readiness_probe.initial_delay_seconds = lib.mkForce 0; }`)
	up := s.Start("up", "--module", "fast.nix")
	up.WaitLine(healthy)
	s.WantBody("http://127.0.0.1:8080/predict?x=4", `{"y": 13.0}`) // y = 3 x + 1, learnt
	s.WantBody("http://127.0.0.1:5000/api/metrics", `"key":"loss"`)
	wantLines(t, up.Stdout(), "[data-processor] 20 points processed", "[nix2gpu] model-trainer: starting",
		"[model-trainer] trained on devices 0,1", "[nix2gpu] model-server: starting")
	for _, once := range []string{"data-processor", "model-trainer"} {
		if st := statusOf(t, s, once); st.State != "completed" || st.Restarts != 0 {
			t.Errorf("%s = %+v, want completed without a restart", once, st)
		}
	}
	up.Stop()
}

func TestOrdering(t *testing.T) {
	s := testkit.NewStack(t, "ordering")
	up := s.Start("up")
	up.WaitLine(healthy)
	wantLines(t, up.Stdout(), "[nix2gpu] postgresql: ready", "[nix2gpu] migrator: starting", "[migrator] 2 migrations applied",
		"[nix2gpu] api: starting")
	s.WantBody("http://127.0.0.1:8080/", "The Mythical Man-Month")
	up.Stop()

	up = s.Start("up")
	up.WaitLine("[migrator] 0 migrations applied")
	up.WaitLine(healthy)
	up.Stop()
}

func TestRestartPolicies(t *testing.T) {
	s := testkit.NewStack(t, "restart-policies")
	out := s.MustExec("config")
	for _, want := range []string{"backoff_seconds: 10\n", "restart_delay_backoff: 2.0", "max_restarts: 5"} {
		if !strings.Contains(out, want) {
			t.Errorf("config does not show %q:\n%s", want, out)
		}
	}
	// The example's 10 s, scaled down: 100 ms, doubling. Times are measured in the log.
	s.Write("fast.nix", `{ services.custom."resilient-service".restart_delay = lib.mkForce "100ms"; }`)
	up := s.Start("up", "--module", "fast.nix")
	if code := up.Wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if got := strings.Count(up.Stdout(), "[resilient-service] cannot reach the upstream\n"); got != 6 {
		t.Errorf("%d runs, want 6: the first and 5 restarts\n%s", got, up.Stdout())
	}
	if !strings.Contains(up.Stdout(), "gave up after 5 restarts: exit code 1") {
		t.Errorf("does not say that it gave up:\n%s", up.Stdout())
	}
	starts := logTimes(t, s, "resilient-service")
	if len(starts) != 6 {
		t.Fatalf("%d lines in the log, want 6", len(starts))
	}
	for i, least := 0, 100*time.Millisecond; i < 5; i, least = i+1, least*2 {
		if gap := starts[i+1].Sub(starts[i]); gap < least {
			t.Errorf("restart %d came after %v, want at least %v", i+1, gap, least)
		}
	}
	s.WantNothingLeft()
}

// logTimes reads when each line was printed, from logs -t.
func logTimes(t *testing.T, s *testkit.Stack, service string) []time.Time {
	t.Helper()
	stamp := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	var times []time.Time
	for line := range strings.Lines(s.MustExec("logs", "-t", service)) {
		at, err := time.Parse(time.RFC3339Nano, stamp.FindString(line))
		if err != nil {
			t.Fatalf("no time in %q: %v", line, err)
		}
		times = append(times, at)
	}
	return times
}

func TestHealthMonitoring(t *testing.T) {
	s := testkit.NewStack(t, "health-monitoring")
	s.Write("fast.nix", `let fast = { initial_delay_seconds = lib.mkForce 0; period_seconds = lib.mkForce 0.05; }; in
{ services.custom."monitored-service" = {
  readiness_probe = fast;
  # However slow the machine: only an answer makes the probes begin, and only
  # one that says no makes them fail.
  startup_probe = { http_get = { path = "/health"; port = 8080; }; period_seconds = 0.05; failure_threshold = 1000000; };
  liveness_probe = fast // { timeout_seconds = lib.mkForce 300; };
  restart_delay = "50ms";
}; }`)
	up := s.Start("up", "--module", "fast.nix")
	up.WaitLine(healthy)
	first := statusOf(t, s, "monitored-service")

	s.Write("not-ready", "")
	waitState(t, s, "monitored-service", "unready")
	if now := statusOf(t, s, "monitored-service"); now.PID != first.PID {
		t.Error("losing readiness restarted the service")
	}
	if out, _, code := s.Exec("status", "monitored-service"); !strings.Contains(out, "503") || code != 1 {
		t.Errorf("status ends with %d, want 1, or does not say what the probe saw:\n%s", code, out)
	}
	os.Remove(filepath.Join(s.Dir, "not-ready"))
	waitState(t, s, "monitored-service", "running")

	s.Write("sick", "")
	if !testkit.Eventually(func() bool {
		now := statusOf(t, s, "monitored-service")
		return now.PID != 0 && now.PID != first.PID && now.State == "running"
	}) {
		t.Errorf("a failed liveness probe did not restart the service: %+v", statusOf(t, s, "monitored-service"))
	}
	up.Stop()
}

func waitState(t *testing.T, s *testkit.Stack, label, state string) {
	t.Helper()
	var now status
	if !testkit.Eventually(func() bool { now = statusOf(t, s, label); return now.State == state }) {
		t.Fatalf("%s = %+v, want %s", label, now, state)
	}
}

func TestScaling(t *testing.T) {
	s := testkit.NewStack(t, "scaling")
	up := s.Start("up")
	up.WaitLine(healthy)
	answers := func(n int) map[string]int {
		got := map[string]int{}
		for range n {
			if status, body, err := s.Get("http://127.0.0.1:8080/"); err == nil && status == http.StatusOK {
				got[strings.TrimSpace(body)]++
			}
		}
		return got
	}
	if !testkit.Eventually(func() bool { got := answers(4); return got["worker 1"] > 0 && got["worker 2"] > 0 }) {
		t.Errorf("answers come not from both workers: %v", answers(10))
	}
	s.MustExec("stop", "worker-1")
	if got := answers(20); got["worker 2"] != 20 {
		t.Errorf("with worker 1 stopped: %v, want 20 answers of worker 2", got)
	}
	s.MustExec("start", "worker-1")
	// nginx tries a failed server again after 10 s (fail_timeout).
	if err := syscall.Kill(statusOf(t, s, "worker-2").PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitState(t, s, "worker-2", "running")
	s.WantBody("http://127.0.0.1:8080/", "worker")
	up.Stop()
}

func TestResources(t *testing.T) {
	s := testkit.NewStack(t, "resources")
	up := s.Start("up")
	up.WaitLine("[memory-intensive] limit 8G: GOMAXPROCS=4 GOMEMLIMIT=8GiB CUDA_VISIBLE_DEVICES=0\n")
	up.WaitLine("[memory-intensive] holding 0 MB")
	up.Stop()
}

// TestLimits checks that the kernel enforces the limits of the definition.
func TestLimits(t *testing.T) {
	s := testkit.NewStack(t, "resources")
	s.Write("limits.nix", `{ services.custom."memory-intensive" = {
  limits = { memory = "64M"; cpus = 0.5; };
}; }`)
	up := s.Start("up", "--module", "limits.nix")
	up.WaitLine("[memory-intensive] holding 0 MB")
	if strings.Contains(up.Stdout(), "not enforced") {
		up.Stop()
		t.Skip("this machine lets us make no cgroups, and the program said so")
	}
	if got := cpuQuota(t, statusOf(t, s, "memory-intensive").PID); got != 0.5 {
		t.Errorf("the kernel grants %v CPUs, want 0.5", got)
	}
	up.Stop()

	s.Write("greedy.nix", `{ services.custom."memory-intensive" = { restart = "no"; environment.ALLOCATE_MB = "256"; }; }`)
	up = s.Start("up", "--module", "limits.nix", "--module", "greedy.nix")
	if code := up.Wait(); code != 137 {
		t.Errorf("exit code %d, want 137: killed", code)
	}
	wantLines(t, up.Stdout(), "memory-intensive: failed: out of memory")
	s.WantNothingLeft()
}

// cpuQuota reads how many CPUs the kernel grants a process, 0 for any number.
func cpuQuota(t *testing.T, pid int) float64 {
	t.Helper()
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	read := func(path ...string) []string {
		raw, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Fields(string(raw))
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for line := range strings.Lines(string(raw)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case slices.Contains(strings.Split(fields[1], ","), "cpu"): // version 1
			quota := number(read("/sys/fs/cgroup/cpu", fields[2], "cpu.cfs_quota_us")[0])
			return max(quota, 0) / number(read("/sys/fs/cgroup/cpu", fields[2], "cpu.cfs_period_us")[0])
		case fields[0] == "0" && fields[1] == "" && fields[2] != "/": // version 2
			if limit := read("/sys/fs/cgroup", fields[2], "cpu.max"); limit[0] != "max" {
				return number(limit[0]) / number(limit[1])
			}
		}
	}
	return 0
}

func TestExternalDatabases(t *testing.T) {
	s := testkit.NewStack(t, "external-databases")
	up := s.Start("up")
	up.WaitLine("[app] DATABASE_URL is db.tailnet.local")
	up.WaitLine("[app] REDIS_URL is my-redis.aws.com")
	if !testkit.Eventually(func() bool {
		_, body, err := s.Get("http://127.0.0.1:8080/")
		var answer map[string]string
		return err == nil && json.Unmarshal([]byte(body), &answer) == nil &&
			strings.HasPrefix(answer["DATABASE_URL"], "unreachable") && strings.HasPrefix(answer["REDIS_URL"], "unreachable")
	}) {
		t.Error("the app does not answer, or reaches what it cannot")
	}
	up.Stop()
}

// TestMixedMode takes the manual way through a container, under the name
// process-compose: show, start one, start the rest.
func TestMixedMode(t *testing.T) {
	s := testkit.NewStack(t, "microservices")
	compose := filepath.Join(filepath.Dir(s.Bin), "process-compose")

	out, stderr, code := s.ExecCommand(compose, "up", "--dry-run")
	if code != 0 || !strings.Contains(out, "processes:") || !strings.Contains(out, "userdb") {
		t.Errorf("up --dry-run: exit code %d\n%s%s", code, out, stderr)
	}
	if found := s.Net.Processes(); len(found) != 0 {
		t.Errorf("up --dry-run left processes: %v", found)
	}

	first := s.StartCommand(compose, "up", "postgresql")
	waitUp(t, s)
	waitState(t, s, "postgresql", "running")
	if st := statusOf(t, s, "redis"); st.PID != 0 {
		t.Errorf("up postgresql started redis as well: %+v", st)
	}
	pid := statusOf(t, s, "postgresql").PID

	second := s.StartCommand(compose, "up")
	for _, label := range []string{"redis", "user-service", "nginx"} {
		waitState(t, s, label, "running")
	}
	if now := statusOf(t, s, "postgresql"); now.PID != pid {
		t.Error("the second up restarted postgresql")
	}
	wantShop(s)

	// The second up follows; to end it ends the following, not the services.
	second.Signal(syscall.SIGINT)
	second.Wait()
	wantShop(s)
	first.Stop()
}

// waitUp waits until the control socket answers.
func waitUp(t *testing.T, s *testkit.Stack) {
	t.Helper()
	if !testkit.Eventually(func() bool { _, _, code := s.Exec("ps"); return code == 0 }) {
		t.Fatal("nothing answers ps")
	}
}

// TestLogs runs the commands of the how-to page on logs.
func TestLogs(t *testing.T) {
	s := testkit.NewStack(t, "custom-app")
	s.Write("fast.nix", `{ services.custom."my-api" = {
  restart_delay = lib.mkForce "50ms";
  readiness_probe.initial_delay_seconds = lib.mkForce 0;
}; }`)
	up := s.Start("up", "--module", "fast.nix")
	up.WaitLine(healthy)
	compose := filepath.Join(filepath.Dir(s.Bin), "process-compose")

	out, stderr, code := s.ExecCommand(compose, "logs", "postgresql")
	if code != 0 || !strings.Contains(out, "database system is ready to accept connections") {
		t.Errorf("logs postgresql: exit code %d\n%s%s", code, out, stderr)
	}

	follow := s.StartCommand(compose, "logs", "--follow", "my-api")
	follow.WaitLine("Starting server on port 8080")
	s.WantBody("http://127.0.0.1:8080/", "visit")
	follow.WaitLine("GET / 200")

	out, stderr, code = s.ExecCommand(compose, "status")
	if code != 0 || !strings.Contains(out, "my-api") || !strings.Contains(out, "postgresql") {
		t.Errorf("status: exit code %d\n%s%s", code, out, stderr)
	}

	before := statusOf(t, s, "my-api").PID
	if _, stderr, code := s.ExecCommand(compose, "restart", "my-api"); code != 0 {
		t.Errorf("restart my-api: exit code %d\n%s", code, stderr)
	}
	waitState(t, s, "my-api", "running")
	if now := statusOf(t, s, "my-api").PID; now == before {
		t.Errorf("restart my-api kept pid %s", strconv.Itoa(now))
	}
	follow.WaitLine("Starting server on port 8080")
	follow.Signal(syscall.SIGINT)
	follow.Wait()
	up.Stop()

	// The logs outlive the run.
	out, _, code = s.ExecCommand(compose, "logs", "my-api")
	if code != 0 || strings.Count(out, "Starting server on port 8080") != 2 {
		t.Errorf("logs my-api after the end: exit code %d\n%s", code, out)
	}
}

// TestPostgreSQLDatabasesOnEveryStart adds a database and a user to a
// definition whose data exists already.
func TestPostgreSQLDatabasesOnEveryStart(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	definition := func(databases string) {
		s.Write("nix2gpu.nix", `{ services.postgresql."db" = { enable = true; databases = [ `+databases+` ]; }; }`)
	}
	names := func() string {
		out, stderr, code := s.ExecCommand("psql", "-qAtX", "-h", "localhost", "-d", "first", "-c",
			"select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate and datname <> 'postgres'")
		if code != 0 {
			t.Fatalf("psql: %s", stderr)
		}
		return strings.TrimSpace(out)
	}
	definition(`"first"`)
	up := s.Start("up")
	up.WaitLine(healthy)
	if got := names(); got != "first" {
		t.Errorf("databases: %s, want first", got)
	}
	up.Stop()

	definition(`"first" "second"`)
	up = s.Start("up")
	up.WaitLine(healthy)
	if got := names(); got != "first second" {
		t.Errorf("databases: %s, want first second", got)
	}
	up.Stop()
}
