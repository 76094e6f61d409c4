package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite what the scripts compare with")

// TestMain makes this test binary the program itself when a script, or the
// program, starts it under one of its names.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] { // the program starts itself by its path, not by a name
		case "supervise", "guard", "launch", "provision":
			main()
		}
	}
	testscript.Main(m, map[string]func(){"nix2gpu": main, "process-compose": main})
}

// TestScripts runs testdata/script/*.txtar: the command line as it is typed,
// with real processes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("HOME", e.WorkDir)
			// Sockets of one script are not seen by another.
			run := filepath.Join(e.WorkDir, ".run")
			e.Setenv("XDG_RUNTIME_DIR", run)
			e.Defer(func() { downAll(t, e, run) })
			return os.Mkdir(run, 0o700)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    cmdExits,
			"waitfile": cmdWaitFile,
			"nothing":  cmdNothing,
			"listen":   cmdListen,
		},
	})
}

// downAll stops what a script has left running, as one that fails does.
func downAll(t *testing.T, e *testscript.Env, run string) {
	sockets, _ := filepath.Glob(filepath.Join(run, "nix2gpu", "*.sock"))
	for _, socket := range sockets {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		cmd := exec.CommandContext(ctx, "nix2gpu", "down", "--timeout", "5s", "--socket", socket)
		cmd.Env, cmd.Dir = e.Vars, e.WorkDir
		out, err := cmd.CombinedOutput()
		cancel()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			continue // the socket of one that ended otherwise
		}
		if err != nil {
			t.Errorf("cannot stop what has been left behind %s: %v\n%s", socket, err, out)
		}
	}
}

// cmdListen listens on a free port until the script ends. $PORT is its number,
// and $OWNER what is said of who listens.
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
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s did not appear", args[0])
}

// cmdNothing checks that nothing that a project leaves behind for its run is
// there any more.
func cmdNothing(ts *testscript.TestScript, neg bool, args []string) {
	for _, pattern := range []string{".nix2gpu/*/supervisor.lock", ".nix2gpu/*/journal", ".run/nix2gpu/*.sock"} {
		if found, _ := filepath.Glob(ts.MkAbs(pattern)); len(found) > 0 {
			ts.Fatalf("left behind: %v", found)
		}
	}
}
