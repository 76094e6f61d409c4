package provision_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nix2gpu/provision"
)

// TestMain lets the test binary play the nix2gpu binary: a database cluster
// can only be made by a process that is not root.
func TestMain(m *testing.M) {
	if os.Getenv("PROVISION_TEST") == "" {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := provision.Main(ctx, os.Args[1:], provision.Stdio{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// cluster is a place for one PostgreSQL server in a test.
type cluster struct {
	t         *testing.T
	bin       string
	dir, data string
	self      string
	port      int
	cred      *syscall.Credential
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(bins) == 0 {
		t.Skip("postgresql is not installed: apt-get install postgresql")
	}
	dir := t.TempDir()
	// A short path with a space: sockets must stay below 108 bytes.
	short, err := os.MkdirTemp("/tmp", "pg t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	c := &cluster{t: t, bin: bins[len(bins)-1], dir: short, data: filepath.Join(short, "my data"), port: 5432}
	for _, d := range []string{c.dir, c.data, filepath.Dir(dir)} {
		os.MkdirAll(d, 0o755)
		os.Chmod(d, 0o755)
	}
	c.self = filepath.Join(short, "nix2gpu")
	copyProgram(t, c.self)
	if os.Geteuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("no user postgres")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		c.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		os.Chown(c.data, uid, gid)
		os.Chown(c.dir, uid, gid)
	}
	return c
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func (c *cluster) provision(cred *syscall.Credential, args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.self, args...)
	cmd.Env = append(os.Environ(), "PROVISION_TEST=1", "PGHOST=elsewhere.invalid")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (c *cluster) init(args ...string) (string, error) {
	return c.provision(c.cred, append([]string{"postgresql", "init", "--bin", c.bin, "--data", c.data,
		"--initdb-arg", "--locale=C", "--initdb-arg", "--encoding=UTF8"}, args...)...)
}

func (c *cluster) setup(args ...string) (string, error) {
	return c.provision(nil, append([]string{"postgresql", "setup", "--bin", c.bin, "--data", c.data,
		"--socket", c.dir, "--port", strconv.Itoa(c.port)}, args...)...)
}

// start runs the server until the test, or the function returned, ends it.
func (c *cluster) start() (stop func()) {
	c.t.Helper()
	cmd := exec.Command(filepath.Join(c.bin, "postgres"), "-D", c.data, "-c", "listen_addresses=",
		"-c", `unix_socket_directories="`+c.dir+`"`, "-c", "port="+strconv.Itoa(c.port), "-c", "fsync=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cmd.Process.Signal(syscall.SIGINT)
			<-ended
		}
	}
	c.t.Cleanup(stop)
	return stop
}

func (c *cluster) query(db, sql string) string {
	c.t.Helper()
	out, err := exec.Command(filepath.Join(c.bin, "psql"), "-X", "-h", c.dir, "-p", strconv.Itoa(c.port), "-d", db, "-Atc", sql).CombinedOutput()
	if err != nil {
		c.t.Fatalf("psql %s: %v\n%s", sql, err, out)
	}
	return strings.TrimSpace(string(out))
}

func must(t *testing.T) func(string, error) string {
	return func(out string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
}

func TestPostgresFromNothing(t *testing.T) {
	c := newCluster(t)
	schema := filepath.Join(c.dir, "schema.sql")
	os.WriteFile(schema, []byte("create table t (x int);\ncopy t from stdin;\n1\n2\n\\.\n"), 0o644)
	before := filepath.Join(c.dir, "before.sql")
	os.WriteFile(before, []byte("create role app login; select 'it''s \"$HOME\"';"), 0o644)
	must(t)(c.init())
	c.start()
	args := []string{"--database", "users", "--database", "my-orders", "--schema", "users=" + schema, "--before", before, "--role", "worker",
		"--ensure-user", `{"name":"users","ensureDBOwnership":true,"ensureClauses":{"createdb":true,"superuser":false}}`}
	must(t)(c.setup(args...))
	// As users connect: no role named, so it is the one of the caller.
	if got := c.query("users", "select sum(x) from t"); got != "3" {
		t.Errorf("sum = %s, want 3", got)
	}
	if got := c.query("my-orders", "select count(*) from pg_roles where rolname in ('app','worker','users') and rolcanlogin"); got != "3" {
		t.Errorf("%s of 3 roles", got)
	}
	if got := c.query("users", "select pg_get_userbyid(datdba) from pg_database where datname='users'"); got != "users" {
		t.Errorf("owner of users = %s", got)
	}
	// A second time with one more database: nothing is lost, scripts do not run again.
	must(t)(c.setup(append(args, "--database", "later")...))
	c.query("later", "select 1")
	if got := c.query("users", "select count(*) from t"); got != "2" {
		t.Errorf("%s rows after the second set-up, want 2", got)
	}
}

// What has passed is not run again when a mistake after it was mended.
func TestPostgresMendedScript(t *testing.T) {
	c := newCluster(t)
	write := func(name, sql string) string {
		path := filepath.Join(c.dir, name)
		if err := os.WriteFile(path, []byte(sql), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	must(t)(c.init())
	c.start()
	args := []string{"--before", write("before.sql", "create role app login;"), "--database", "users",
		"--schema", "users=" + write("schema.sql", "creat table t (x int);"), "--after", write("after.sql", "create role later;")}
	if out, err := c.setup(args...); err == nil || !strings.Contains(out, `syntax error at or near "creat"`) {
		t.Fatalf("bad schema: %v, %s", err, out)
	}
	write("schema.sql", "create table t (x int);")
	must(t)(c.setup(args...))
	must(t)(c.setup(args...))
	if got := c.query("users", "select count(*) from pg_roles where rolname in ('app', 'later')"); got != "2" {
		t.Errorf("%s of 2 roles", got)
	}
	c.query("users", "select * from t")
}

func TestPostgresInitIsRepeatable(t *testing.T) {
	c := newCluster(t)
	must(t)(c.init())
	stop := c.start()
	must(t)(c.setup())
	out, err := c.init()
	if err == nil || !strings.Contains(out, "is in use by process") {
		t.Errorf("init beside a running server: %v, %s", err, out)
	}
	stop()
	if out := must(t)(c.init()); out != "" {
		t.Errorf("init of a finished cluster said %q", out)
	}
}

func TestPostgresInitAfterKill(t *testing.T) {
	for _, stage := range []string{"while initdb ran", "while it was moved into place"} {
		t.Run(stage, func(t *testing.T) {
			c := newCluster(t)
			half := filepath.Join(c.data, ".nix2gpu-init")
			if stage == "while initdb ran" {
				os.MkdirAll(filepath.Join(half, "base"), 0o700)
				os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600)
				chownAll(t, half, c)
			} else {
				must(t)(c.init())
				os.Mkdir(half, 0o700)
				for _, name := range []string{"PG_VERSION", "global", "base"} {
					if err := os.Rename(filepath.Join(c.data, name), filepath.Join(half, name)); err != nil {
						t.Fatal(err)
					}
				}
				os.WriteFile(filepath.Join(half, ".nix2gpu-complete"), nil, 0o600)
				chownAll(t, half, c)
			}
			must(t)(c.init())
			c.start()
			must(t)(c.setup("--own-database"))
			c.query("postgres", "select 1")
			if _, err := os.Stat(half); err == nil {
				t.Errorf("%s is still there", half)
			}
		})
	}
}

func chownAll(t *testing.T, dir string, c *cluster) {
	t.Helper()
	if c.cred == nil {
		return
	}
	for _, d := range []string{dir, filepath.Join(dir, "base"), filepath.Join(dir, "PG_VERSION"), filepath.Join(dir, ".nix2gpu-complete")} {
		os.Lchown(d, int(c.cred.Uid), int(c.cred.Gid))
	}
}

func TestPostgresStalePid(t *testing.T) {
	c := newCluster(t)
	must(t)(c.init())
	// Our own number: alive, and no server.
	pid := filepath.Join(c.data, "postmaster.pid")
	os.WriteFile(pid, fmt.Appendf(nil, "%d\n%s\n", os.Getpid(), c.data), 0o600)
	if c.cred != nil {
		os.Lchown(pid, int(c.cred.Uid), int(c.cred.Gid))
	}
	must(t)(c.init())
	c.start()
	must(t)(c.setup())
}

func TestPostgresInitErrors(t *testing.T) {
	t.Run("another version", func(t *testing.T) {
		c := newCluster(t)
		os.WriteFile(filepath.Join(c.data, "PG_VERSION"), []byte("9.6\n"), 0o644)
		out, err := c.init()
		if err == nil || !strings.Contains(out, "was made by version 9.6") || !strings.Contains(out, "hint: ") {
			t.Errorf("%v, %s", err, out)
		}
	})
	t.Run("foreign files", func(t *testing.T) {
		c := newCluster(t)
		os.WriteFile(filepath.Join(c.data, "thesis.tex"), nil, 0o644)
		out, err := c.init()
		if err == nil || !strings.Contains(out, `it holds "thesis.tex"`) {
			t.Errorf("%v, %s", err, out)
		}
	})
	t.Run("bad argument", func(t *testing.T) {
		c := newCluster(t)
		out, err := c.init("--initdb-arg", "--no-such-flag")
		if err == nil || !strings.Contains(out, "no-such-flag") {
			t.Errorf("%v, %s", err, out)
		}
		must(t)(c.init()) // nothing half-made is in the way
	})
	t.Run("bad schema", func(t *testing.T) {
		c := newCluster(t)
		must(t)(c.init())
		c.start()
		bad := filepath.Join(c.dir, "bad.sql")
		os.WriteFile(bad, []byte("create table a (x int);\ncreate tabel b (x int);\n"), 0o644)
		out, err := c.setup("--database", "d", "--schema", "d="+bad)
		if err == nil || !strings.Contains(out, "bad.sql:2: ERROR") {
			t.Errorf("%v, %s", err, out)
		}
		os.WriteFile(bad, []byte("create table a (x int);\n"), 0o644)
		must(t)(c.setup("--database", "d", "--schema", "d="+bad))
		c.query("d", "select * from a")
	})
}

// The command that upgrades a folder does all of it, also to one without marks of ours. The
// tools are stand-ins: no release of Debian has two versions.
func TestUpgradeCommand(t *testing.T) {
	for _, marked := range []bool{false, true} {
		dir := t.TempDir()
		script := func(name, text string) {
			t.Helper()
			name = filepath.Join(dir, name)
			must(t)("", os.MkdirAll(filepath.Dir(name), 0o755))
			must(t)("", os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o755))
		}
		script("15/bin/initdb", "for last; do :; done; echo 15 >\"$last/PG_VERSION\"\n")
		script("15/bin/pg_upgrade", "echo $* >from\n")
		script("path/runuser", "shift 3; exec \"$@\"\n")
		data := filepath.Join(dir, "my data")
		must(t)("", os.Mkdir(data, 0o755))
		must(t)("", os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte("13\n"), 0o644))
		if marked {
			must(t)("", os.WriteFile(filepath.Join(data, ".nix2gpu-setup"), nil, 0o644))
		}
		command := provision.UpgradeCommand(filepath.Join(dir, "15/bin"), data, "13", "15.8")
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "path")+":"+os.Getenv("PATH"))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, command, out)
		}
		for name, want := range map[string]string{"my data/PG_VERSION": "15\n", "my data.13/PG_VERSION": "13\n"} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if _, err := os.Stat(filepath.Join(data, ".nix2gpu-setup")); (err == nil) != marked {
			t.Errorf("the mark of what has run: %v", err)
		}
		from, _ := os.ReadFile(filepath.Join(data, "from"))
		if !strings.Contains(string(from), "--old-bindir="+filepath.Join(dir, "13/bin")+" ") {
			t.Errorf("pg_upgrade %s", from)
		}
	}
}

// initdb is told a time zone where nobody has set one: without, and without
// /etc/localtime, it looks through all of them.
func TestInitdbKnowsAZone(t *testing.T) {
	for set, want := range map[string]string{"": "UTC", "Europe/Oslo": "Europe/Oslo"} {
		c := newCluster(t)
		t.Setenv("TZ", set)
		if set == "" {
			os.Unsetenv("TZ")
		}
		c.bin = filepath.Join(c.dir, "bin")
		must(t)("", os.Mkdir(c.bin, 0o755))
		must(t)("", os.WriteFile(filepath.Join(c.bin, "initdb"), []byte("#!/bin/sh\necho zone $TZ\nexit 1\n"), 0o755))
		if out, err := c.init(); err == nil || !strings.Contains(out, "zone "+want+"\n") {
			t.Errorf("TZ=%q: %v\n%s", set, err, out)
		}
	}
}

func TestMainRejects(t *testing.T) {
	for _, args := range [][]string{nil, {"postgresql"}, {"postgresql", "dance"}, {"postgresql", "init", "--what"}, {"apt", "-o evil"}} {
		if err := provision.Main(t.Context(), args, provision.Stdio{}); err == nil {
			t.Errorf("Main(%q) found nothing wrong", args)
		}
	}
}

func TestInitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	err := provision.Main(ctx, []string{"postgresql", "setup", "--socket", t.TempDir()}, provision.Stdio{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
	if err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("setup without a server: %v", err)
	}
}

// initdb refuses a user without a name: that is said with its cure.
func TestInitWithoutAName(t *testing.T) {
	c := newCluster(t)
	if c.cred == nil {
		t.Skip("only root becomes another user")
	}
	nameless := &syscall.Credential{Uid: 61111, Gid: 61111}
	os.Chown(c.data, 61111, 61111)
	out, err := c.provision(nameless, "postgresql", "init", "--bin", c.bin, "--data", c.data)
	if err == nil || !strings.Contains(out, "number 61111 has none\nhint: useradd --system --uid 61111 postgres") {
		t.Errorf("init of a user without a name: %v\n%s", err, out)
	}
}
