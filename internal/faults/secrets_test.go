package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/rundir"
)

// hunter begins the texts that must not appear. Each secret of secretStack holds one.
const hunter = "hunter-2-"

// secretStack runs a service that holds every kind of secret, and prints none.
func secretStack(t *testing.T) *testkit.Stack {
	t.Helper()
	s := testkit.NewStackFrom(t, "")
	s.Env = append(s.Env, "HUNTED="+hunter+"env")
	s.Write("secrets/file", hunter+"file\n")
	s.Write("secrets/pass", hunter+"pass\n")
	if err := os.Chmod(filepath.Join(s.Dir, "secrets/file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Write("env", "FROM_ENV_FILE="+hunter+"envfile\n")
	s.Write("nix2gpu.nix", `{ config, ... }: {
  secrets = {
    one.file = "./secrets/file";
    two.env = "HUNTED";
    linked = { file = "./secrets/file"; path = "`+filepath.Join(s.Dir, "linked")+`"; };
  };
  services.custom."svc" = {
    enable = true;
    command = "sh ./hold";
    environment = { ONE.secret = "one"; TWO.secret = "two"; THREE = config.secrets.one.path; FOUR = config.secrets.linked.path; };
    credentials = [ "one" ];
    environmentFile = "./env";
    readiness_probe.exec.command = "test -s ${config.secrets.one.path}";
  };
  services.redis."db" = { enable = true; port = 0; unixSocket = "./redis.sock"; requirePassFile = "./secrets/pass"; };
}
`)
	// In two pieces, since this file is searched as well.
	s.Write("hold", `is() { test "$1" = "hunter""-2-$2"; }
is "$ONE" file && is "$(cat $THREE)" file && is "$(cat linked)" file && is "$(cat $CREDENTIALS_DIRECTORY/one)" file &&
is "$TWO" env && is "$FROM_ENV_FILE" envfile && test -z "$HUNTED" && echo all secrets are there
exec sleep 3600
`)
	return s
}

// memoryOf returns the folder of secrets of a stack.
func memoryOf(s *testkit.Stack) string {
	return rundir.Locate(rundir.Env{UID: os.Geteuid()}, "", s.Dir).Secrets
}

// Nothing that a run writes to a disk, answers or shows contains a secret; and after
// its end, no memory does.
func TestSecretsAreNowhere(t *testing.T) {
	s := secretStack(t)
	up := s.Start("up")
	up.WaitLine("all secrets are there")
	up.WaitLine("all services healthy")

	found := func(where, text string) {
		t.Helper()
		for _, text := range strings.Split(text, "\n") {
			if strings.Contains(text, hunter) {
				t.Errorf("%s shows a secret: %.200s", where, text)
			}
		}
	}
	for _, args := range []string{"status", "status svc", "status redis", "ps -o wide", "ps -o json", "config", "config -o json", "config --show-origin", "up --dry-run",
		"secret ls", "secret ls -o json", "check --here", "logs"} {
		out, err, _ := s.Exec(strings.Fields(args)...)
		if out == "" {
			t.Errorf("%s says nothing: %s", args, err)
		}
		found(args, out+err)
	}
	events := s.Start("events", "-o", "json")
	events.WaitLine(`"state"`) // from now on it gets all events
	s.MustExec("restart", "svc")
	events.WaitLine(`"event"`)
	layout := rundir.Locate(rundir.Env{UID: os.Geteuid()}, "", s.Dir)
	for _, path := range []string{"/v1/state", "/processes", "/process/svc", "/process/info/svc", "/project/state"} {
		found(path, ask(layout.Socket, path))
	}

	// Who may look at a process sees its environment, and everyone its arguments.
	for _, line := range s.Net.Processes() {
		pid, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if _, err := strconv.Atoi(pid); err != nil {
			t.Fatalf("no process id in %q", line)
		}
		data, _ := os.ReadFile("/proc/" + pid + "/cmdline") // fails for one that has ended
		found("the arguments of "+line, string(data))
	}

	searched := 0
	search := func(dir string, except ...string) {
		if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // what runs has removed or renamed it
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			for _, name := range except {
				if strings.HasPrefix(path, filepath.Join(s.Dir, name)) {
					return nil
				}
			}
			searched++
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			found(path, string(data))
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	search(s.Dir, "secrets", "env") // which the user has written
	search(layout.Run)
	if searched < 4 {
		t.Errorf("only %d files were looked at", searched)
	}

	// They are in memory, and only there.
	if info, err := os.Stat(memoryOf(s)); err != nil || info.Mode().Perm()&0o066 != 0 {
		t.Errorf("the folder of secrets: %v, %v", info, err)
	}
	up.Stop()
	events.Wait()
	found("events", events.Output())
	for _, path := range []string{memoryOf(s), filepath.Join(s.Dir, "linked")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	search(s.Dir, "secrets", "env")
	found("up", up.Output())
	t.Attr("S7", fmt.Sprintf("found 0 times in %d files, 13 commands, 5 answers of the API, the events and all arguments", searched))
}

// ask returns the answer of a control socket, whatever it is.
func ask(socket, path string) string {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}}}
	resp, err := client.Get("http://nix2gpu" + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return string(data)
}

// A secret that is removed while its reader runs is missed only at the next start,
// which reports it; a new one is read then.
func TestSecretGoesAndComesBack(t *testing.T) {
	s := secretStack(t)
	up := s.Start("up")
	up.WaitLine("all services healthy")
	file := filepath.Join(s.Dir, "secrets/file")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if out := s.MustExec("status", "svc"); !strings.Contains(out, "running") {
		t.Errorf("without the file: %s", out)
	}
	s.Start("restart", "svc") // which waits for it to be ready
	var out string
	if !testkit.Eventually(func() bool {
		out, _, _ = s.Exec("status", "svc")
		return strings.Contains(out, "no such file or directory") && strings.Contains(out, `secret "linked": cannot read`)
	}) {
		t.Errorf("after a restart: %s", out)
	}
	s.Write("secrets/file", hunter+"file\n")
	s.MustExec("stop", "svc")
	s.MustExec("start", "svc")
	up.WaitLine("all secrets are there")
	up.Stop()
}

// A supervisor that is killed cannot clean up; its guard does.
func TestSecretsOfAKilledSupervisor(t *testing.T) {
	s := secretStack(t)
	up := s.Start("up")
	up.WaitLine("all services healthy")
	if _, err := os.Stat(memoryOf(s)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(up.Supervisor(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	up.Wait()
	for _, path := range []string{memoryOf(s), filepath.Join(s.Dir, "linked")} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
}
