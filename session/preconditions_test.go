package session_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// one is a project of one service, "api", whose process change may change.
func one(change func(s *project.Service, q *project.Process)) *project.Project {
	s := &project.Service{
		ID: "api", Type: "custom", Instance: "api", Label: "api", Main: "api",
		Pos:     project.Pos{File: "nix2gpu.nix", Line: 2, Col: 3},
		Options: map[string]project.Pos{"command": {File: "nix2gpu.nix", Line: 4, Col: 5}, "dataDir": {File: "nix2gpu.nix", Line: 6, Col: 7}},
	}
	q := &project.Process{ID: "api", Service: "api", Role: project.Main, Command: project.Command{Exec: []project.Text{project.Lit("/bin/sh")}}}
	change(s, q)
	return &project.Project{
		Version: project.Version, Name: "test",
		Services: map[project.ID]*project.Service{"api": s}, Processes: map[project.ID]*project.Process{"api": q},
	}
}

// A service runs although what works for it can't, and not without what it needs.
func TestRunnable(t *testing.T) {
	p := one(func(*project.Service, *project.Process) {})
	p.Services["db"] = &project.Service{ID: "db", System: true}
	p.Services["api"].DependsOn = map[project.ID]project.Dependency{"db": {}}
	p.Services["helper"] = &project.Service{ID: "helper", System: true, DependsOn: map[project.ID]project.Dependency{"api": {}}}
	for refused, want := range map[project.ID]string{"helper": "[api]", "db": "[]"} {
		if got := session.Runnable(p, []project.ID{"api"}, []session.Precondition{{Service: refused}}, false); fmt.Sprint(got) != want {
			t.Errorf("without %s, %v runs, want %s", refused, got, want)
		}
	}
}

func TestPreconditions(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := project.Port{Port: l.Addr().(*net.TCPAddr).Port, Pos: project.Pos{File: "nix2gpu.nix", Line: 8, Col: 9}}
	for _, tt := range []struct {
		name   string
		change func(s *project.Service, q *project.Process)
		held   []project.Port
		kind   session.Kind
		want   string // with which the text begins
		more   int    // that are unmet beside
	}{
		{name: "nothing", change: func(s *project.Service, q *project.Process) {}},
		{name: "unsupported", change: func(s *project.Service, q *project.Process) { s.Unsupported = "it" },
			kind: session.Unsupported, want: `nix2gpu.nix:2:3: service "api": not supported: it`},
		{name: "port", change: func(s *project.Service, q *project.Process) { s.Ports = []project.Port{taken} },
			kind: session.PortTaken, want: fmt.Sprintf("nix2gpu.nix:8:9: service \"api\": port %d is in use by ", taken.Port)},
		{name: "port of ours", change: func(s *project.Service, q *project.Process) { s.Ports = []project.Port{taken} },
			held: []project.Port{taken}},
		{name: "port in a network of its own", change: func(s *project.Service, q *project.Process) {
			s.Ports, q.Settings.Network = []project.Port{taken}, project.Loopback
		}},
		{name: "folder", change: func(s *project.Service, q *project.Process) {
			q.Dirs = []project.Dir{{Path: project.Lit("/proc/none/data")}}
		}, kind: session.FolderClosed, want: `nix2gpu.nix:6:7: service "api": cannot write to folder "/proc/none/data": `},
		{name: "package", change: func(s *project.Service, q *project.Process) {
			q.Command.Exec = []project.Text{project.PackagePath("no-such-package", "/bin/x")}
		}, kind: session.PackageMissing, want: `nix2gpu.nix:4:5: service "api": package "no-such-package" `},
		{name: "command", change: func(s *project.Service, q *project.Process) {
			q.Command.Exec = []project.Text{project.Lit("no-such-program")}
		}, kind: session.CommandMissing, want: `nix2gpu.nix:4:5: service "api": command "no-such-program" does not exist`},
		{name: "log file to be made", change: func(s *project.Service, q *project.Process) {
			q.Log.File = project.RootPath("/deep/api.log")
		}},
		{name: "log on stdout", change: func(s *project.Service, q *project.Process) { q.Log.File = project.Lit("/dev/stdout") }},
		{name: "log nowhere", change: func(s *project.Service, q *project.Process) { q.Log.File = project.Lit("/dev/null") }},
		{name: "log to a device", change: func(s *project.Service, q *project.Process) { q.Log.File = project.Lit("/dev/zero") },
			kind: session.LogRefused, want: `nix2gpu.nix:2:3: service "api": cannot write the log to "/dev/zero": it is a device`},
		{name: "log to a folder", change: func(s *project.Service, q *project.Process) { q.Log.File = project.Lit("/tmp") },
			kind: session.LogRefused, want: `nix2gpu.nix:2:3: service "api": cannot write the log to "/tmp": it is a folder`},
		{name: "the driver's program", change: func(s *project.Service, q *project.Process) {
			q.Command.Exec = []project.Text{project.Lit("nvidia-smi")}
		}, kind: session.GPUMissing, want: `nix2gpu.nix:4:5: service "api": no GPU here: nvidia-smi is not installed`},
		{name: "GPU", change: func(s *project.Service, q *project.Process) {
			s.GPUs, s.Options["gpus"] = &project.GPUs{Count: 1}, project.Pos{File: "nix2gpu.nix", Line: 7, Col: 8}
		}, kind: session.GPUMissing, want: `nix2gpu.nix:7:8: service "api": no GPU here: nvidia-smi is not installed`},
		{name: "GPU that only CUDA's variable names", change: func(s *project.Service, q *project.Process) { s.GPUs = &project.GPUs{Devices: []string{"0"}} }},
		{name: "everything at once, by place", change: func(s *project.Service, q *project.Process) {
			s.Ports, s.Unsupported = []project.Port{taken}, "it"
		}, kind: session.Unsupported, want: `nix2gpu.nix:2:3: `, more: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			m := session.Machine{
				Layout: rundir.Locate(rundir.Env{UID: os.Getuid()}, "test", root), Root: root, Self: "/bin/true",
				Environ: []string{"PATH=/usr/bin:/bin"},
			}
			unmet, err := m.Preconditions(t.Context(), one(tt.change), []project.ID{"api"}, tt.held)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if len(unmet) != 0 {
					t.Errorf("unmet: %+v, want none", unmet)
				}
				return
			}
			if len(unmet) != 1+tt.more {
				t.Fatalf("unmet: %+v\nwant %s and %d more", unmet, tt.want, tt.more)
			}
			if got := (&session.Refusal{Root: root, Unmet: unmet}).Error(); !strings.HasPrefix(got, tt.want) || unmet[0].Kind != tt.kind {
				t.Errorf("kind %d, %s\nwant kind %d, %s…", unmet[0].Kind, got, tt.kind, tt.want)
			}
			if (unmet[0].Missing != nil) != (tt.kind == session.PackageMissing) {
				t.Errorf("missing package %v of kind %d", unmet[0].Missing, tt.kind)
			}
			if entries, err := os.ReadDir(root); err != nil || len(entries) != 0 {
				t.Errorf("looking left %v in the definition's folder (%v)", entries, err)
			}
		})
	}
}

// Who has a UDP port is not who has the TCP port of the same number.
func TestWhoHasAnUDPPort(t *testing.T) {
	port := testkit.Port(t)
	other := lender(t, fmt.Sprintf("127.0.0.1:%d", port))
	udp, err := net.ListenPacket("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	m := session.Machine{Layout: rundir.Locate(rundir.Env{UID: os.Getuid()}, "test", t.TempDir()), Self: "/bin/true", Environ: []string{"PATH=/usr/bin:/bin"}}
	for protocol, who := range map[string]string{"udp": "another program", "tcp": fmt.Sprintf("sleep (pid %d)", other)} {
		unmet, err := m.Preconditions(t.Context(), one(func(s *project.Service, q *project.Process) {
			s.Ports = []project.Port{{Port: port, Protocol: protocol}}
		}), []project.ID{"api"}, nil)
		if want := fmt.Sprintf("port %d is in use by %s", port, who); err != nil || len(unmet) != 1 || unmet[0].Msg != want {
			t.Errorf("%s: %v, %v; want %q", protocol, unmet, err, want)
		}
	}
}

// Who has the port at another address has nothing to do with it.
func TestWhoHasAPortAtAnAddress(t *testing.T) {
	port := testkit.Port(t)
	ours, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	m := session.Machine{Layout: rundir.Locate(rundir.Env{UID: os.Getuid()}, "test", t.TempDir()), Self: "/bin/true", Environ: []string{"PATH=/usr/bin:/bin"}}
	for address, want := range map[string]string{"127.0.0.1": fmt.Sprintf("(pid %d)", os.Getpid()), "127.0.0.2": fmt.Sprintf("(pid %d)", lender(t, fmt.Sprintf("127.0.0.2:%d", port)))} {
		unmet, err := m.Preconditions(t.Context(), one(func(s *project.Service, q *project.Process) {
			s.Ports = []project.Port{{Port: port, Address: address}}
		}), []project.ID{"api"}, nil)
		if err != nil || len(unmet) != 1 || !strings.HasSuffix(unmet[0].Msg, want) {
			t.Errorf("%s: %v, %v; want %q", address, unmet, err, want)
		}
	}
}

// lender starts a process that listens at an address until the end of the test, and
// returns its number.
func lender(t *testing.T, address string) (pid int) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	file, err := l.(*net.TCPListener).File()
	l.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	other := exec.Command("sleep", "1000")
	other.ExtraFiles = []*os.File{file}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Process.Kill(); other.Wait() })
	return other.Process.Pid
}

// A job is read as it was written, and its file has no name.
func TestJobTravels(t *testing.T) {
	p := one(func(*project.Service, *project.Process) {})
	valid, err := project.Validated(p)
	if err != nil {
		t.Fatal(err)
	}
	j := &session.Job{
		Project: valid, Services: []project.ID{"api"}, Named: true, NoDeps: true, Stay: true, Root: "/r", Container: "c",
		Definition: "d", Socket: "/s", Detached: true, LogJSON: true, Color: "never", Reload: []string{"config"},
	}
	f, err := j.File()
	if err != nil {
		t.Fatal(err)
	}
	if name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err != nil || !strings.Contains(name, "memfd:") {
		t.Errorf("the job is in %q (%v), want memory", name, err)
	}
	got, err := session.ReadJob(f)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Services, j.Services) || !got.Named || !got.NoDeps || !got.Stay || got.Root != j.Root || got.Container != j.Container ||
		got.Definition != j.Definition || got.Socket != j.Socket || !got.Detached || !got.LogJSON || got.Color != j.Color || !slices.Equal(got.Reload, j.Reload) {
		t.Errorf("read %+v, want %+v", got, j)
	}
	if got.Project.Project() == nil || !p.Diff(got.Project.Project()).IsEmpty() {
		t.Errorf("the project was read as %+v", got.Project.Project())
	}
	f, err = os.Open("job.go")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.ReadJob(f); err == nil || !strings.Contains(err.Error(), "not by hand") {
		t.Errorf("ReadJob of something else = %v", err)
	}
}

// A file or a secret that a service is lent may be one that a service before it, or one
// before that, makes in its own folder, and nothing else excuses one that is missing.
func TestFilesThatOthersMake(t *testing.T) {
	for _, c := range []struct {
		name, file string
		waits      bool // by way of another service
		secret     bool
		refused    bool
	}{
		{"in its folder", "ca/deep/root.crt", true, false, false},
		{"as a secret", "ca/root.key", true, true, false},
		{"beside its folder", "cab/root.crt", true, false, true},
		{"a secret beside its folder", "root.key", true, true, true},
		{"of one that it does not wait for", "ca/root.crt", false, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			m := session.Machine{
				Layout: rundir.Locate(rundir.Env{UID: os.Getuid()}, "test", root), Root: root, Self: "/bin/true",
				Environ: []string{"PATH=/usr/bin:/bin"},
			}
			p := one(func(s *project.Service, q *project.Process) {
				if q.Files = []project.File{{Path: project.RunPath("/api/ca"), Source: project.RootPath("/" + c.file)}}; c.secret {
					q.Files, q.Env = nil, map[string]project.Value{"KEY": {Text: project.SecretContent("key"), Secret: true}}
				}
			})
			p.Secrets = map[string]project.Secret{"key": {File: project.RootPath("/" + c.file)}}
			for _, id := range []project.ID{"ca", "between"} {
				p.Services[id] = &project.Service{ID: id, Type: "custom", Label: string(id), Main: id}
				p.Processes[id] = &project.Process{ID: id, Service: id, Role: project.Main, Command: project.Command{Exec: []project.Text{project.Lit("true")}}}
			}
			p.Processes["ca"].Dirs = []project.Dir{{Path: project.RootPath("/ca")}}
			if c.waits {
				p.Services["api"].DependsOn = map[project.ID]project.Dependency{"between": {Condition: project.Ready}}
				p.Services["between"].DependsOn = map[project.ID]project.Dependency{"ca": {Condition: project.Ready}}
			}
			unmet, err := m.Preconditions(t.Context(), p, []project.ID{"api"}, nil)
			if err != nil || (len(unmet) > 0) != c.refused {
				t.Errorf("unmet: %+v, %v", unmet, err)
			}
		})
	}
}
