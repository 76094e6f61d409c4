package process_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/process"
	"nix2gpu/project"
)

// The test binary is also every helper that a test starts: HELPER names it.
func TestMain(m *testing.M) {
	if name := os.Getenv("HELPER"); name != "" {
		os.Unsetenv("HELPER")
		os.Exit(helpers[name](os.Args[1:]))
	}
	os.Exit(m.Run())
}

// helpers are programs with a behaviour that a shell has not.
var helpers = map[string]func(args []string) int{
	"guard":     guardMain,
	"become":    become,
	"abandon":   abandon,
	"leave":     leave,
	"stay":      stay,
	"supervise": supervise,
	"init":      asInit,
	"noproc":    withoutProc,
	"launch":    func(args []string) int { return status(process.LaunchMain(args)) },
	"exec":      execMain,
	"lend":      lendMain,
	"scored":    scored,
	"hides":     hides,
	"trial":     trialMain,
}

func status(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 127
	}
	return 0
}

// launchCommand is what a hidden verb of the real binary is.
var launchCommand = []string{"/usr/bin/env", "HELPER=launch", os.Args[0]}

func shell(script string) process.Spec {
	return process.Spec{Argv: []string{"/bin/sh", "-c", script}, Env: os.Environ()}
}

func newHost(t *testing.T, opts process.Options) *process.Host {
	t.Helper()
	h, err := process.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return h
}

func start(t *testing.T, h *process.Host, spec process.Spec) *process.Process {
	t.Helper()
	p, err := h.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// await waits for a channel to close, for as long as a test may take.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(testkit.Patience):
		buf := make([]byte, 1<<20)
		t.Fatalf("still waiting for %s\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// eventually waits for a fact about the system.
func eventually(t *testing.T, what string, fact func() bool) {
	t.Helper()
	if !testkit.Eventually(fact) {
		t.Fatalf("still waiting until %s", what)
	}
}

// output starts spec and returns what it prints, until nothing holds its stdout.
func output(t *testing.T, h *process.Host, spec process.Spec) (*process.Process, string) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	spec.Stdout, spec.Stderr = w, w
	p, err := h.Start(spec)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the end of "+spec.Argv[0], p.Done())
	return p, string(text)
}

func TestExitIsKnown(t *testing.T) {
	h := newHost(t, process.Options{})
	for script, want := range map[string]string{
		"exit 0":        "exit code 0",
		"exit 7":        "exit code 7",
		"kill -9 $$":    "killed by SIGKILL",
		"kill -TERM $$": "killed by SIGTERM",
	} {
		t.Run(script, func(t *testing.T) {
			p := start(t, h, shell(script))
			await(t, "done", p.Done())
			if got := p.Exit().String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if err := p.Signal(project.SIGTERM); !errors.Is(err, process.ErrGone) {
				t.Errorf("Signal after the end = %v, want ErrGone", err)
			}
			if err := p.SignalGroup(project.SIGTERM); !errors.Is(err, process.ErrGone) {
				t.Errorf("SignalGroup after the end = %v, want ErrGone", err)
			}
		})
	}
}

func TestNoStatusIsLost(t *testing.T) {
	h := newHost(t, process.Options{})
	const n = 2000
	procs := make(chan *process.Process, n)
	want := make(map[*process.Process]int)
	for i := range n {
		p := start(t, h, process.Spec{Argv: []string{"/bin/sh", "-c", "exit " + strconv.Itoa(i%200)}})
		want[p] = i % 200
		procs <- p
	}
	close(procs)
	for p := range procs {
		await(t, "done", p.Done())
		if got := p.Exit().Code; got != want[p] {
			t.Errorf("exit code %d, want %d", got, want[p])
		}
	}
	t.Attr("R10", fmt.Sprintf("0 of %d exit codes lost", n))
}

func TestChildInheritsOnlyStdio(t *testing.T) {
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil { // inherited from a careless parent: not close-on-exec
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	h := newHost(t, process.Options{})
	_, out := output(t, h, shell("ls /proc/$$/fd"))
	if got := strings.Fields(out); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("the child has descriptors %v, want 0 1 2", got)
	}
}

func TestStartErrorsSayWhy(t *testing.T) {
	h := newHost(t, process.Options{})
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := []string{"PATH=/usr/bin:/bin"}
	for name, c := range map[string]struct {
		spec   process.Spec
		reason process.Reason
		want   string
	}{
		"no command":     {process.Spec{}, process.NotFound, "empty"},
		"not in PATH":    {process.Spec{Argv: []string{"no-such-program"}, Env: env}, process.NotFound, "not found in PATH (/usr/bin:/bin)"},
		"no such file":   {process.Spec{Argv: []string{dir + "/absent"}}, process.NotFound, dir + "/absent does not exist"},
		"no interpreter": {process.Spec{Argv: []string{write("script", "#!/no/such/python\n", 0o755)}}, process.NoInterpreter, "needs /no/such/python, which does not exist"},
		"carriage return": {process.Spec{Argv: []string{write("dos", "#!/bin/sh\r\n", 0o755)}}, process.NoInterpreter,
			"carriage return"},
		"not executable": {process.Spec{Argv: []string{write("plain", "#!/bin/sh\n", 0o644)}}, process.NotExecutable, "chmod +x"},
		"a folder":       {process.Spec{Argv: []string{dir}}, process.NotExecutable, "is a directory"},
		"no program":     {process.Spec{Argv: []string{write("text", "hello\n", 0o755)}}, process.BadFormat, "neither a script"},
		"no folder":      {process.Spec{Argv: []string{"/bin/true"}, Dir: dir + "/absent"}, process.BadDir, "absent does not exist"},
		"too long":       {process.Spec{Argv: []string{"/bin/true", strings.Repeat("x", 8<<20)}}, process.TooBig, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.Start(c.spec)
			var got *process.StartError
			if !errors.As(err, &got) {
				t.Fatalf("Start = %v, want a StartError", err)
			}
			if got.Reason != c.reason || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %s: %v\nwant %s: … %s", got.Reason, err, c.reason, c.want)
			}
		})
	}
}

// TestExitSaysWhatItUsed counts a child that was waited for, and no memory of ours.
func TestExitSaysWhatItUsed(t *testing.T) {
	h := newHost(t, process.Options{})
	p := start(t, h, shell("dd if=/dev/zero of=/dev/null bs=256M count=1 2>/dev/null; exit 3"))
	await(t, "done", p.Done())
	x := p.Exit()
	if x.Memory < 256<<20 || x.CPU <= 0 || x.Ran <= 0 || x.At.IsZero() || x.Code != 3 {
		t.Errorf("got %+v, want its time, and 256 MiB of memory at least", x)
	}
	p = start(t, h, process.Spec{Argv: []string{"/bin/true"}})
	await(t, "done", p.Done())
	if x := p.Exit(); x.Memory != 0 {
		t.Errorf("/bin/true used %d bytes of memory, want that it isn't known, as we have more", x.Memory)
	}
}
