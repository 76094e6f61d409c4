package provision_test

import (
	"bytes"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// newMySQL is a place for one MariaDB server in a test.
func newMySQL(t *testing.T) *cluster {
	t.Helper()
	if _, err := os.Stat("/usr/sbin/mariadbd"); err != nil {
		t.Skip("mariadb is not installed: apt-get install mariadb-server")
	}
	short, err := os.MkdirTemp("/tmp", "my t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	c := &cluster{t: t, bin: "/usr/bin", dir: short, data: filepath.Join(short, "my data"), self: filepath.Join(short, "nix2gpu")}
	os.Mkdir(c.data, 0o755)
	os.Chmod(short, 0o755)
	copyProgram(t, c.self)
	if os.Geteuid() == 0 {
		u, err := user.Lookup("mysql")
		if err != nil {
			t.Skip("no user mysql")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		c.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		os.Chown(c.data, uid, gid)
		os.Chown(short, uid, gid)
	}
	return c
}

// A folder for temporary files that the server's user may not write to is named, and
// not the tool's advice for all that can be wrong.
func TestMySQLWithoutATemporaryFolder(t *testing.T) {
	c := newMySQL(t)
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	out, err := c.provision(c.cred, "mysql", "init", "--bin", c.bin, "--data", c.data)
	_, reason, _ := strings.Cut(out, "mysql: mariadb-install-db: exit status 1: ")
	if err == nil || !strings.Contains(reason, "Can't create/write to file '"+closed) || !strings.Contains(reason, "\nhint: the user of the service must be able to write to TMPDIR, "+closed+"\n") {
		t.Errorf("%v: %s", err, out)
	}
	if strings.Contains(reason, "jira") {
		t.Errorf("the advice stands behind the reason:\n%s", out)
	}
}

func (c *cluster) startMySQL() (stop func()) {
	c.t.Helper()
	cmd := exec.Command("/usr/sbin/mariadbd", "--no-defaults", "--datadir="+c.data, "--socket="+filepath.Join(c.dir, "s"),
		"--pid-file="+filepath.Join(c.dir, "pid"), "--skip-networking")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.cred}
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	waited := false
	stop = func() {
		if !waited {
			waited = true
			cmd.Process.Signal(syscall.SIGTERM)
			cmd.Wait()
		}
	}
	c.t.Cleanup(stop)
	for range 2000 {
		if exec.CommandContext(c.t.Context(), "mariadb-admin", "--no-defaults", "--socket="+filepath.Join(c.dir, "s"), "ping").Run() == nil {
			return stop
		}
	}
	c.t.Fatalf("mariadb never answered:\n%s", &log)
	return nil
}

func TestMySQLFromNothing(t *testing.T) {
	c := newMySQL(t)
	init := func() (string, error) {
		return c.provision(c.cred, "mysql", "init", "--bin", c.bin, "--data", c.data)
	}
	half := filepath.Join(c.data, ".nix2gpu-init", "mysql")
	os.MkdirAll(half, 0o700) // an earlier run was killed
	if c.cred != nil {
		os.Chown(half, int(c.cred.Uid), int(c.cred.Gid))
		os.Chown(filepath.Dir(half), int(c.cred.Uid), int(c.cred.Gid))
	}
	must(t)(init())
	if out := must(t)(init()); out != "" {
		t.Errorf("init of a finished folder said %q", out)
	}
	c.startMySQL()

	schema, script, spec := filepath.Join(c.dir, "s.sql"), filepath.Join(c.dir, "i.sql"), filepath.Join(c.dir, "spec.json")
	os.WriteFile(schema, []byte("create table t (x int);\ninsert into t values (1), (2);\n"), 0o644)
	os.WriteFile(script, []byte("create database once;\n"), 0o644)
	write := func(more string) {
		os.WriteFile(spec, []byte(`{"databases": [{"name": "users", "schemas": null}, {"name": "my-shop", "schemas": ["`+schema+`"]}`+more+`],
			"users": [{"name": "app", "password": "p'w\\", "permissions": {"`+"`my-shop`.*"+`": "ALL PRIVILEGES"}}], "roles": ["worker"], "script": "`+script+`"}`), 0o600)
	}
	setup := func() (string, error) {
		return c.provision(nil, "mysql", "setup", "--bin", c.bin, "--data", c.data, "--socket", filepath.Join(c.dir, "s"), "--spec", spec)
	}
	query := func(sql string, args ...string) string {
		t.Helper()
		cmd := exec.Command("mariadb", append([]string{"--no-defaults", "--socket=" + filepath.Join(c.dir, "s"), "-BN", "-e", sql}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", sql, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	write("")
	must(t)(setup())
	if got := query("select sum(x) from t", "-uapp", `-pp'w\`, "my-shop"); got != "3" {
		t.Errorf("sum = %s", got)
	}
	query("select 1", "users")
	query("select 1", "-uworker")
	write(`, {"name": "later"}`)
	must(t)(setup()) // the script would fail the second time
	query("select 1", "later")

	// Killed while a schema was loaded: it is loaded anew, whole.
	os.WriteFile(filepath.Join(c.data, ".nix2gpu-pending-my-shop"), nil, 0o600)
	must(t)(setup())
	if got := query("select count(*) from t", "my-shop"); got != "2" {
		t.Errorf("%s rows after the schema was loaded anew", got)
	}
}
