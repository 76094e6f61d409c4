package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
)

// CLI is the docker client of the tests. It is Debian's, of the same version as the
// engine, whatever else is installed.
const CLI = "/usr/bin/docker"

// An Engine is dockerd as one test sees it. It is a Stack whose program is the
// docker client: Exec, Start and StartCommand type their arguments beside the
// engine, in its network namespace.
type Engine struct {
	*testkit.Stack
	Socket string // of the engine's API

	daemon *daemon
}

// A daemon is dockerd, which all tests of a binary share.
type daemon struct {
	dir  string
	net  *testkit.Net
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer // read once done is closed

	plain sync.Map // layers of Engine.Plain that were made already, by name
}

// A slot has the engine of this test binary, once a test has asked for it.
type slot struct {
	sync.Mutex
	daemon *daemon
	err    error
}

// ours is the one slot: tests are functions, and all of them share the engine.
var ours = sync.OnceValue(func() *slot { return &slot{} })

// Docker returns the engine, and starts it if it does not run yet. At the end of the test
// the test's containers are removed, and if it has failed their output is shown.
func Docker(t testing.TB) *Engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs a container engine of its own (run as root)")
	}
	for _, program := range []string{CLI, "dockerd", "iptables"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("needs Debian's docker.io and iptables (scripts/deps all): %v", err)
		}
	}
	running := ours()
	running.Lock()
	defer running.Unlock()
	if running.daemon == nil && running.err == nil {
		running.daemon, running.err = startDocker()
	}
	if running.err != nil {
		t.Fatal(running.err)
	}
	d := running.daemon
	e := &Engine{Socket: d.socket(), daemon: d, Stack: &testkit.Stack{
		T: t, Net: d.net, Dir: t.TempDir(), Bin: filepath.Join(d.dir, "bin", "docker"), Client: d.net.Client(),
		// Neither a context nor a login of the user who runs the tests.
		Env: []string{"DOCKER_HOST=unix://" + d.socket(), "DOCKER_CONFIG=" + filepath.Join(d.dir, "config"), "NO_COLOR=1",
			"PATH=" + d.path()},
	}}
	before := e.containers()
	t.Cleanup(func() { e.clean(before) })
	return e
}

// Stop ends the engine, if it was started. TestMain calls it after the tests.
func Stop() {
	running := ours()
	running.Lock()
	defer running.Unlock()
	if running.daemon != nil {
		running.daemon.stop()
		running.daemon = nil
	}
}

// Path returns the PATH for commands that use the engine.
func (e *Engine) Path() string { return e.daemon.path() }

func (d *daemon) path() string { return filepath.Join(d.dir, "bin") + ":" + os.Getenv("PATH") }

func (d *daemon) socket() string { return filepath.Join(d.dir, "docker.sock") }

// hook returns the path of the program that does what NVIDIA's hook does for "docker
// run --gpus".
func (d *daemon) hook() string { return filepath.Join(d.dir, "hook") }

// LendGPUs makes "docker run --gpus" run hook before a container starts, as NVIDIA's
// runtime does, until the end of the test.
func (e *Engine) LendGPUs(t testing.TB, hook string) {
	t.Helper()
	if err := os.Symlink(hook, e.daemon.hook()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(e.daemon.hook()) })
}

// parent returns the control group that the engine's containers are in.
func parent() string { return fmt.Sprintf("nix2gpu-test-%d", os.Getpid()) }

// dirPrefix and the number of the test binary begin the name of its folder.
const dirPrefix = "nix2gpu-engine-"

// sweep removes the folders of test binaries that were killed. Their engines and mounts
// went with them.
func sweep() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	for _, dir := range dirs {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), dirPrefix), "-")
		if _, err := os.Stat("/proc/" + pid); pid != "" && errors.Is(err, os.ErrNotExist) {
			_ = os.RemoveAll(dir)
		}
	}
}

func startDocker() (*daemon, error) {
	// Not t.TempDir, which would end with the first test. The path is short, since
	// sockets are in it.
	sweep()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", dirPrefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	n, err := testkit.OpenNet()
	if err != nil {
		return nil, err
	}
	d := &daemon{dir: dir, net: n, done: make(chan struct{})}
	// dockerd is the first process of its namespace: whenever it ends, the kernel ends
	// the containers, and their mounts go with them.
	d.cmd = exec.Command("sh", "-ec", `mount --make-rprivate /; mount -t proc proc /proc; exec "$@"`, "sh",
		"dockerd", "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--host", "unix://"+d.socket(), "--pidfile", dir+"/pid",
		"--cgroup-parent", "/"+parent(), "--log-level", "warn", "--init-path", "/usr/bin/catatonit", "--config-file", dir+"/daemon.json")
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL, Setpgid: true,
	}
	if err := os.WriteFile(dir+"/daemon.json", []byte("{}"), 0o644); err != nil {
		return nil, err
	}
	// "docker" in a test's command is the same client. A stop kills what has not ended
	// after 10 seconds, which a busy machine may need: here it takes its time.
	if err := os.Mkdir(dir+"/bin", 0o755); err != nil {
		return nil, err
	}
	client := "#!/bin/sh\n[ \"$1\" != run ] || { shift; set -- run --stop-timeout 600 \"$@\"; }\nexec " + CLI + " \"$@\"\n"
	if err := os.WriteFile(dir+"/bin/docker", []byte(client), 0o755); err != nil {
		return nil, err
	}
	// dockerd takes "--gpus" where it finds this program, and makes it a prestart
	// hook of the container.
	hook := "#!/bin/sh\n[ -e " + d.hook() + " ] || { echo no test lends a GPU >&2; exit 1; }\nexec " + d.hook() + " \"$@\"\n"
	if err := os.WriteFile(dir+"/bin/nvidia-container-runtime-hook", []byte(hook), 0o755); err != nil {
		return nil, err
	}
	d.cmd.Env = append(os.Environ(), "PATH="+d.path())
	started := make(chan error, 1)
	// The signal of a parent's death comes when its thread ends, so this one stays.
	go testkit.OnOwnThread(func() error {
		err := n.Enter()
		if err == nil {
			err = d.cmd.Start()
		}
		started <- err
		if err == nil {
			_ = d.cmd.Wait() // its log says how it ended
		}
		close(d.done)
		return nil
	})
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start dockerd: %w", err)
	}
	answers := testkit.Eventually(func() bool {
		select {
		case <-d.done:
			return true
		default:
		}
		return exec.Command(CLI, "-H", "unix://"+d.socket(), "version").Run() == nil
	})
	select {
	case <-d.done:
		return nil, fmt.Errorf("dockerd ended: %v\n%s", d.cmd.ProcessState, d.log.String())
	default:
	}
	if !answers {
		d.stop()
		return nil, fmt.Errorf("dockerd does not answer:\n%s", d.log.String())
	}
	return d, nil
}

// stop ends dockerd, which ends its containers first, and removes all of it.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	ended := testkit.Eventually(func() bool {
		select {
		case <-d.done:
			return true
		default:
			return false
		}
	})
	if !ended {
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	d.net.Close()
	_ = os.RemoveAll(d.dir)
	groups, _ := filepath.Glob("/sys/fs/cgroup/*/" + parent())
	for _, g := range append(groups, "/sys/fs/cgroup/"+parent()) {
		entries, _ := os.ReadDir(g)
		for _, e := range entries {
			if e.IsDir() { // of a container that was killed
				_ = os.Remove(filepath.Join(g, e.Name()))
			}
		}
		_ = os.Remove(g)
	}
}

// containers lists the ids of all that there are.
func (e *Engine) containers() map[string]bool {
	ids := map[string]bool{}
	for _, id := range strings.Fields(e.MustExec("ps", "-aq", "--no-trunc")) {
		ids[id] = true
	}
	return ids
}

// clean removes the containers that the test has made.
func (e *Engine) clean(before map[string]bool) {
	for id := range e.containers() {
		if before[id] {
			continue
		}
		if e.T.Failed() {
			name := strings.TrimSpace(e.MustExec("inspect", "-f", "{{.Name}} {{.State.Status}} {{.State.ExitCode}}", id))
			out, errs, _ := e.Exec("logs", id)
			e.T.Logf("--- logs of container %s:\n%s%s", name, out, errs)
		}
		e.Exec("rm", "-f", "-v", id)
	}
}

// Container starts a container in the background, "docker run -d ARGS", and returns its
// id.
func (e *Engine) Container(args ...string) string {
	e.T.Helper()
	return strings.TrimSpace(e.MustExec(append([]string{"run", "-d"}, args...)...))
}

// Logs returns what a container has printed so far, both streams in order.
func (e *Engine) Logs(container string) string {
	e.T.Helper()
	run := e.StartCommand("sh", "-c", `exec "$0" logs "$1" 2>&1`, CLI, container)
	if code := run.Wait(); code != 0 {
		e.T.Fatalf("docker logs %s: exit code %d\n%s", container, code, run.Output())
	}
	return run.Stdout()
}

// WaitLogs waits until a container has printed text, and returns all that it has printed.
// The test fails if the container ends first.
func (e *Engine) WaitLogs(container, text string) string {
	e.T.Helper()
	var logs string
	ended := false
	found := testkit.Eventually(func() bool {
		ended = !e.Running(container) // asked first, so that its last output is looked at
		logs = e.Logs(container)
		return ended || strings.Contains(logs, text)
	})
	if !found || !strings.Contains(logs, text) {
		e.T.Fatalf("container %s (ended: %t) did not print %q:\n%s", container, ended, text, logs)
	}
	return logs
}

// Running reports whether a container runs.
func (e *Engine) Running(container string) bool {
	e.T.Helper()
	return strings.TrimSpace(e.MustExec("inspect", "-f", "{{.State.Running}}", container)) == "true"
}

// ExitCode waits for the end of a container, and returns its exit code.
func (e *Engine) ExitCode(container string) int {
	e.T.Helper()
	if !testkit.Eventually(func() bool { return !e.Running(container) }) {
		e.T.Fatalf("container %s does not end:\n%s", container, e.Logs(container))
	}
	var code int
	text := e.MustExec("inspect", "-f", "{{.State.ExitCode}}", container)
	if _, err := fmt.Sscan(text, &code); err != nil {
		e.T.Fatalf("exit code of %s: %q", container, text)
	}
	return code
}

// Type runs a line in a shell without a terminal, and returns what it printed, both
// streams in order. The test fails if the line fails.
func (e *Engine) Type(line string) string {
	e.T.Helper()
	run := e.StartCommand("bash", "-c", "exec 2>&1; "+line)
	if code := run.Wait(); code != 0 {
		e.T.Fatalf("%s: exit code %d\n%s", line, code, run.Output())
	}
	return run.Stdout()
}

// Load loads a docker archive, and returns what docker printed.
func (e *Engine) Load(archive string) string {
	e.T.Helper()
	return e.MustExec("load", "-i", archive)
}

// errEnded is the error of a terminal whose program has ended.
var errEnded = errors.New("the program has ended")
