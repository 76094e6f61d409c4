package container_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/container"
	"nix2gpu/project"
)

// A fake is a container in a folder.
type fake struct {
	*container.Machine
	t    *testing.T
	told []string
	log  strings.Builder
	ran  int // the startup script
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t}
	f.Machine = &container.Machine{
		Root: t.TempDir(), CPUs: 8, Environ: []string{"PATH=/bin", "HOME=/root"},
		Project: &project.Project{Version: project.Version, Name: "web", Services: map[project.ID]*project.Service{}, Processes: map[project.ID]*project.Process{},
			Container: project.Container{Startup: project.Lit("true")}},
		Startup: func(context.Context) error { f.ran++; return nil },
		Tell:    func(line, hint string) { f.told = append(f.told, strings.TrimSpace(line+"; "+hint)) },
		Log:     slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	f.write("/proc/sys/kernel/random/boot_id", "one\n")
	f.start(100)
	return f
}

// start begins another life: PID 1 has another start.
func (f *fake) start(at int) {
	f.write("/proc/1/stat", fmt.Sprintf("1 (a ) b) S 0 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n", at))
}

func (f *fake) path(name string) string { return filepath.Join(f.Root, name) }

func (f *fake) write(name, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path(name), []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fake) read(name string) string {
	f.t.Helper()
	data, err := os.ReadFile(f.path(name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(data)
}

func (f *fake) run() {
	f.t.Helper()
	if err := f.Run(f.t.Context()); err != nil {
		f.t.Fatalf("%v\n%s", err, f.log.String())
	}
}

func (f *fake) env(name string) string {
	for _, kv := range f.Environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// tree is every file with its mode and content, without the kernel's.
func (f *fake) tree() string {
	var b strings.Builder
	err := filepath.WalkDir(f.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasPrefix(path, f.path("/proc")) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v", strings.TrimPrefix(path, f.Root), info.Mode())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", data)
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return b.String()
}

const (
	adaKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMJnOd2EyC4cGnWJ/r8bzHoCbQH0k1jJH8a4p2YXd3Ym ada@home"
	eveKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK93TrV7KavrJcfQ0yJHPa5E8jWqXE82k6ssnViIqLqp eve@home"
	bobKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1zQq9i3uJ7fQF6kAqQn1GfQz5kqz4xF2s5k6m7n8o9 bob"
)

func TestStepsAreSafeToRepeat(t *testing.T) {
	f := newFake(t)
	f.Environ = append(f.Environ, "SSH_PUBLIC_KEYS="+adaKey, "CITY=Köln 'old'")
	f.run()
	first, environ := f.tree(), slices.Clone(f.Environ)
	f.run()
	if again := f.tree(); again != first {
		t.Errorf("the second time leaves\n%s\nthe first\n%s", again, first)
	}
	if !slices.Equal(environ, f.Environ) {
		t.Errorf("environment: %q, then %q", environ, f.Environ)
	}
	if f.ran != 1 {
		t.Errorf("the startup script ran %d times in one life, want once", f.ran)
	}
	if len(f.told) != 0 {
		t.Errorf("told: %q", f.told)
	}
	f.start(200) // the container was stopped and started again
	f.run()
	if f.ran != 2 {
		t.Errorf("the startup script ran %d times in two lives, want twice", f.ran)
	}
}

// A step that failed is tried again, and only one without which boot does not
// go on is its end.
func TestFailedStep(t *testing.T) {
	f := newFake(t)
	if err := os.MkdirAll(f.path("/tmp/process-compose.yaml"), 0o755); err != nil { // a folder is never replaced
		t.Fatal(err)
	}
	wrong := errors.New("exit code 3")
	f.Startup = func(context.Context) error { return wrong }
	err := f.Run(t.Context())
	var failed *container.StepError
	if !errors.As(err, &failed) || failed.Step != "startup-script" || !errors.Is(err, wrong) {
		t.Fatalf("Run = %v", err)
	}
	f.Startup = func(context.Context) error { return nil }
	f.run()
	if len(f.told) != 1 || !strings.HasPrefix(f.told[0], "project: ") || !strings.Contains(f.told[0], "boot goes on") {
		t.Errorf("told: %q", f.told)
	}
}

// Whoever is told to stop does nothing more, and says so.
func TestStopBetweenSteps(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.Startup = func(context.Context) error { cancel(); return ctx.Err() }
	if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
	if _, err := os.Stat(f.path("/tmp/process-compose.yaml")); err == nil {
		t.Error("the step after it was done")
	}
}

// A TERM in any step ends boot with it.
func TestStopInEachStep(t *testing.T) {
	for i, s := range container.Steps() {
		f := newFake(t)
		ctx, cancel := context.WithCancel(t.Context())
		f.Log = slog.New(watching{slog.NewTextHandler(&f.log, &slog.HandlerOptions{Level: slog.LevelDebug}), func(step string) {
			if step == s.Name {
				cancel()
			}
		}})
		if err := f.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a stop in %s: Run = %v", s.Name, err)
		}
		for _, later := range container.Steps()[i+1:] {
			if strings.Contains(f.log.String(), "msg=begins step="+later.Name+"\n") {
				t.Errorf("a stop in %s: %s was begun", s.Name, later.Name)
			}
		}
		f.run() // and the next boot does what is missing
		if _, err := os.Stat(f.path("/tmp/process-compose.yaml")); err != nil {
			t.Errorf("after a stop in %s: %v", s.Name, err)
		}
	}
}

// watching tells which step begins.
type watching struct {
	slog.Handler
	begins func(step string)
}

func (w watching) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		if a.Key == "step" {
			begins, step := w.begins, a.Value.String()
			return watching{w.Handler.WithAttrs(attrs), func(string) { begins(step) }}
		}
	}
	return watching{w.Handler.WithAttrs(attrs), w.begins}
}

func (w watching) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "begins" {
		w.begins("")
	}
	return w.Handler.Handle(ctx, r)
}

func TestAccounts(t *testing.T) {
	f := newFake(t)
	f.Project.Users = map[string]project.User{"postgres": project.SystemUsers()["postgres"]}
	f.write("/etc/passwd", "root::0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n")
	f.write("/etc/shadow", "root:!:1::::::\nada::1::::::\nbob:$6$x:1::::::\neve:!:1::::::\n")
	f.Environ = append(f.Environ, "ROOT_PASSWORD=hunter2")
	f.run()
	want := "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000::/home/ada:/bin/sh\n" +
		"postgres:x:900:900::/var/lib/postgresql:/usr/sbin/nologin\nsshd:x:914:914::/run/sshd:/usr/sbin/nologin\n"
	if got := f.read("/etc/passwd"); got != want {
		t.Errorf("passwd:\n%s\nwant\n%s", got, want)
	}
	if got, want := f.read("/etc/group"), "root:x:0:\npostgres:x:900:\nsshd:x:914:\n"; got != want {
		t.Errorf("group:\n%s\nwant\n%s", got, want)
	}
	// "*" locks the password and leaves keys their use, which "!" does not.
	if got, want := f.read("/etc/shadow"), "root:*:1::::::\nada:*:1::::::\nbob:$6$x:1::::::\neve:!:1::::::\n"; got != want {
		t.Errorf("shadow:\n%s\nwant\n%s", got, want)
	}
	if len(f.told) != 1 || !strings.Contains(f.told[0], "ROOT_PASSWORD is not used") || !strings.Contains(f.told[0], "SSH_PUBLIC_KEYS") {
		t.Errorf("told: %q", f.told)
	}
	if got := f.env("ROOT_PASSWORD"); got != "" {
		t.Errorf("services get ROOT_PASSWORD=%q", got)
	}
	if strings.Contains(f.tree()+f.log.String(), "hunter2") {
		t.Error("the password is written somewhere")
	}
}

func TestAuthorizedKeys(t *testing.T) {
	f := newFake(t)
	f.run()
	if f.HasKeys {
		t.Error("without a key somebody may log in")
	}
	f.write("/root/.ssh/authorized_keys", "# mine\n"+bobKey)
	if err := os.Chmod(f.path("/root/.ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.Environ = append(f.Environ, `SSH_PUBLIC_KEYS=`+adaKey+`\n# a remark\n`+bobKey+` again`, "PUBLIC_KEY="+adaKey+"\nnonsense\n", "SSH_PUBLIC_KEY="+eveKey)
	f.run()
	if got, want := f.read("/root/.ssh/authorized_keys"), "# mine\n"+bobKey+"\n"+adaKey+"\n"+eveKey+"\n"; got != want {
		t.Errorf("authorized_keys:\n%s\nwant\n%s", got, want)
	}
	if !f.HasKeys {
		t.Error("with keys nobody may log in")
	}
	if got, want := f.read("/run/sshd/authorized_keys"), adaKey+"\n"+bobKey+" again\n"+eveKey+"\n"+adaKey+"\n"; got != want {
		t.Errorf("keys in /run:\n%s\nwant\n%s", got, want)
	}
	if len(f.told) != 1 || !strings.Contains(f.told[0], `"nonsense"`) {
		t.Errorf("told: %q", f.told)
	}
	f.Environ = slices.DeleteFunc(f.Environ, func(kv string) bool { return strings.Contains(kv, "_KEY") })
	f.run()
	if _, err := os.Stat(f.path("/run/sshd/authorized_keys")); err == nil {
		t.Error("keys of an earlier life still open")
	}
}

func TestHostKeyIsKept(t *testing.T) {
	f := newFake(t)
	f.run()
	key := f.read("/run/sshd/ssh_host_ed25519_key")
	if !strings.HasPrefix(key, "-----BEGIN OPENSSH PRIVATE KEY-----") || f.read("/etc/ssh/ssh_host_ed25519_key") != key {
		t.Fatalf("host key: %s", key)
	}
	for _, file := range []string{"/run/sshd/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key"} {
		if info, err := os.Stat(f.path(file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v, want mode 0600", file, info.Mode(), err)
		}
	}
	os.RemoveAll(f.path("/run"))
	f.run()
	if f.read("/run/sshd/ssh_host_ed25519_key") != key {
		t.Error("a new life has another host key")
	}
	// What is no key is replaced by one.
	f.write("/etc/ssh/ssh_host_ed25519_key", "torn")
	os.RemoveAll(f.path("/run"))
	f.run()
	if got := f.read("/etc/ssh/ssh_host_ed25519_key"); !strings.HasPrefix(got, "-----BEGIN") {
		t.Errorf("host key: %q", got)
	}
}

func TestThreads(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  string
	}{
		{nil, ""},
		{map[string]string{"cpu.max": "max 100000\n", "pids.max": "max\n"}, ""},
		{map[string]string{"cpu.max": "250000 100000\n"}, "3"},
		{map[string]string{"cpu.max": "50000 100000\n"}, "1"},
		{map[string]string{"cpu.max": "1600000 100000\n"}, ""},
		{map[string]string{"pids.max": "64\n"}, "4"},
		{map[string]string{"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "2"},
		{map[string]string{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n", "pids/pids.max": "8\n"}, "1"},
	} {
		f := newFake(t)
		for name, text := range c.files {
			f.write("/sys/fs/cgroup/"+name, text)
		}
		f.Environ = append(f.Environ, "MKL_NUM_THREADS=7")
		f.run()
		if got := f.env("OMP_NUM_THREADS"); got != c.want || f.env("GOMAXPROCS") != c.want {
			t.Errorf("%v: OMP_NUM_THREADS=%q GOMAXPROCS=%q, want %q", c.files, got, f.env("GOMAXPROCS"), c.want)
		}
		if got := f.env("MKL_NUM_THREADS"); got != "7" {
			t.Errorf("%v: what was set has become %q", c.files, got)
		}
	}
}

func TestEnvironmentIsSharedWithoutSecrets(t *testing.T) {
	f := newFake(t)
	f.write("/etc/environment", "EARLIER=1\n")
	f.Project.Container.Env = map[string]project.Value{
		"MODE":   {Text: project.Lit("fast")},
		"HIDDEN": {Text: project.Lit("s3cret-1"), Secret: true},
	}
	f.Project.Secrets = map[string]project.Secret{"plain": {Env: "PLAIN"}}
	f.Environ = append(f.Environ, "PLAIN=s3cret-4", "HF_TOKEN=s3cret-2", "DATABASE_URL=postgresql://u:s3cret-3@db/x", `WEIRD=a'b "c" \d $e`, "LINES=a\nb", "HIDDEN=s3cret-1", "no-name=1")
	f.run()
	if got, want := f.read("/etc/profile.d/nix2gpu.sh"), `# Written by nix2gpu at boot: the container's environment, without secrets.
[ -n "${MODE+x}" ] || export MODE='fast'
export PATH='/bin'
[ -n "${WEIRD+x}" ] || export WEIRD='a'\''b "c" \d $e'
case "${PS1-}" in '\s-\v\$ ' | *'\u@\h:\w\$ ') PS1='\u@container:\w\$ ' ;; esac
`; got != want {
		t.Errorf("profile:\n%s\nwant\n%s", got, want)
	}
	if got, want := f.read("/run/sshd/environment.conf"), `SetEnv "MODE=fast" "PATH=/bin" "WEIRD=a'b \"c\" \\d $e"`+"\n"; got != want {
		t.Errorf("environment.conf:\n%s\nwant\n%s", got, want)
	}
	if got := f.read("/etc/environment"); !strings.HasPrefix(got, "EARLIER=1\n") || !strings.Contains(got, `MODE="fast"`) {
		t.Errorf("/etc/environment:\n%s", got)
	}
	if tree := f.tree(); strings.Contains(tree, "s3cret") {
		t.Errorf("a secret was written:\n%s", tree)
	}
}

// The file in /tmp is new, whatever somebody has put there.
func TestProjectFollowsNoLink(t *testing.T) {
	f := newFake(t)
	f.write("/etc/precious", "keep")
	if err := os.MkdirAll(f.path("/tmp"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/tmp/process-compose.yaml", "/tmp/process-compose.yaml.new"} {
		if err := os.Symlink(f.path("/etc/precious"), f.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	f.run()
	if f.read("/etc/precious") != "keep" {
		t.Error("the link was followed")
	}
	info, err := os.Lstat(f.path("/tmp/process-compose.yaml"))
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("process-compose.yaml: %v, %v", info, err)
	}
}

func TestWithoutRoot(t *testing.T) {
	f := newFake(t)
	f.UID = 1000
	f.Environ = append(f.Environ, "SSH_PUBLIC_KEYS="+adaKey)
	f.run()
	f.run()
	if len(f.told) != 1 || !strings.Contains(f.told[0], "not run as root: left out accounts, host-keys, authorized-keys, environment") {
		t.Errorf("told: %q", f.told)
	}
	if _, err := os.Stat(f.path("/etc")); err == nil || f.HasKeys {
		t.Errorf("something of root's was done:\n%s", f.tree())
	}
	if f.ran != 1 {
		t.Errorf("the startup script ran %d times, want once", f.ran)
	}
}

// Two that begin at once do each step once.
func TestOneAtATime(t *testing.T) {
	f := newFake(t)
	begun, release := make(chan struct{}), make(chan struct{})
	f.Startup = func(context.Context) error { f.ran++; close(begun); <-release; return nil }
	first := make(chan error, 1)
	go func() { first <- f.Run(t.Context()) }()
	<-begun
	second := *f.Machine
	other := 0
	second.Startup = func(context.Context) error { other++; return nil }
	done := make(chan error, 1)
	go func() { done <- second.Run(t.Context()) }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	third := *f.Machine
	if err := third.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("one that is told to stop while it waits: %v", err)
	}
	close(release)
	if err := errors.Join(<-first, <-done); err != nil {
		t.Fatal(err)
	}
	if f.ran != 1 || other != 0 {
		t.Errorf("the script ran %d and %d times, want once and never", f.ran, other)
	}
}
