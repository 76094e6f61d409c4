package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nix2gpu/internal/testkit"
	"nix2gpu/internal/wheeltest"
	"nix2gpu/rundir"
)

// TestMain makes this test binary the program itself when a script, or the
// program, starts it under one of its names.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] { // the program starts itself by its path, not by a name
		case "supervise", "guard", "launch", "provision", "trial":
			main()
		}
	}
	testscript.Main(tidy{m}, map[string]func(){"nix2gpu": main, "process-compose": main})
}

// tidy removes what the tests have built once all have run.
type tidy struct{ *testing.M }

func (t tidy) Run() int {
	defer testkit.RemoveBinary()
	return t.M.Run()
}

// TestScripts runs testdata/script/*.txtar: command lines as users type them, with real
// processes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       testkit.Updating(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("ROOT", testkit.Root())
			e.Values["t"] = e.T() // a *testing.T, for commands that make images
			e.Values["archive"] = &archive{}
			e.Values["index"] = new(*wheeltest.Index)
			// Sockets of one script are not seen by another.
			run := filepath.Join(e.WorkDir, ".run")
			e.Setenv("XDG_RUNTIME_DIR", run)
			e.Defer(func() { downAll(t, e.WorkDir) })
			return os.Mkdir(run, 0o700)
		},
		Condition: func(cond string) (bool, error) {
			if cond != "root" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return os.Geteuid() == 0, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    cmdExits,
			"waitfile": cmdWaitFile,
			"nothing":  cmdNothing,
			"listen":   cmdListen,
			"registry": cmdRegistry,
			"layout":   cmdLayout,
			"archive":  cmdArchive,
			"vendor":   cmdVendor,
			"files":    cmdFiles,
			"nvidia":   cmdNVIDIA,
			"index":    cmdIndex,
			"age":      cmdAge,
			"static":   cmdStatic,
			"hostile":  cmdHostile,
		},
	})
}

// cmdStatic builds the program as it ships, and sets $NIX2GPU to its path: an image
// takes no other.
//
//	static
func cmdStatic(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: static")
	}
	ts.Setenv("NIX2GPU", testkit.Binary(ts.Value("t").(testing.TB)))
}

// downAll ends the runs that a script has left, for example one that failed. It asks
// them by SIGQUIT to end at once, and waits, since the script's folder is removed next.
func downAll(t *testing.T, dir string) {
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "supervisor.lock" {
			return nil
		}
		data, _ := os.ReadFile(path)
		pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
		if err != nil || pid <= 1 || syscall.Kill(pid, syscall.SIGQUIT) != nil {
			return nil // it has ended meanwhile
		}
		for end := time.Now().Add(testkit.Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(path); err != nil {
				return nil
			}
		}
		t.Errorf("run of pid %d does not end", pid)
		return nil
	})
}

// cmdListen listens on a free port until the script ends. $PORT is its number, and
// $OWNER the words for this process in messages.
func cmdListen(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: listen")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	name, err := os.ReadFile("/proc/self/comm")
	ts.Check(err)
	ts.Setenv("PORT", strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	ts.Setenv("OWNER", fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(name)), os.Getpid()))
}

// cmdExits runs a command that must end with an exit code:
//
//	exits 4 nix2gpu stop nobody
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// cmdWaitFile waits until a file exists.
func cmdWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(testkit.Patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

// cmdNothing checks that nothing is left of what a project has for its run. With soon it
// waits for that: for projects in the background, of which no command says when they have gone.
//
//	nothing [soon]
func cmdNothing(ts *testscript.TestScript, neg bool, args []string) {
	soon := slices.Equal(args, []string{"soon"})
	if neg || len(args) > 0 && !soon {
		ts.Fatalf("usage: nothing [soon]")
	}
	key := rundir.Key("", ts.MkAbs("."))
	var left []string
	gone := func() bool {
		left = nil
		for _, pattern := range []string{
			".nix2gpu/*/supervisor.lock", ".nix2gpu/*/journal", filepath.Join(ts.Getenv("XDG_RUNTIME_DIR"), "nix2gpu/*"),
			filepath.Join("/run/nix2gpu", key+".*"), filepath.Join("/run/nix2gpu-services", key), // root's
		} {
			found, _ := filepath.Glob(ts.MkAbs(pattern))
			left = append(left, found...)
		}
		return len(left) == 0
	}
	if !gone() && !(soon && testkit.Eventually(gone)) {
		ts.Fatalf("left behind: %v", left)
	}
}
