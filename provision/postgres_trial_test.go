package provision_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The server reads both of its files, beside one that runs, and leaves that and its
// data alone.
func TestPostgresTestsItsConfiguration(t *testing.T) {
	c := newCluster(t)
	conf := filepath.Join(c.dir, "conf")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	if c.cred != nil {
		if err := os.Chown(conf, int(c.cred.Uid), int(c.cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	test := func() (string, error) {
		return c.provision(c.cred, "postgresql", "test", "--server", filepath.Join(c.bin, "postgres"), "--data", c.data, "--conf", conf)
	}
	right := "local all all trust\n"
	write("postgresql.conf", "log_line_prefix = '%t '\nshared_preload_libraries = 'no_such_library'\nssl = on\n")
	write("pg_ident.conf", "")
	write("pg_hba.conf", "local all all trst\n")
	if out, err := test(); err != nil { // which the first start will read
		t.Errorf("without a cluster: %v, %s", err, out)
	}
	must(t)(c.init())
	control := func() string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(c.data, "global", "pg_control"))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	stop := c.start()
	must(t)(c.setup())
	if out, err := test(); err == nil || !strings.Contains(out, `LOG:  invalid authentication method "trst"`) || !strings.Contains(out, `CONTEXT:  line 1 of configuration file "`+conf+`/pg_hba.conf"`) {
		t.Errorf("bad pg_hba.conf: %v, %s", err, out)
	}
	write("pg_hba.conf", right)
	if out, err := test(); err != nil || out != "" {
		t.Errorf("right: %v, %s", err, out)
	}
	write("postgresql.conf", "shared_bufers = 1\n")
	if out, err := test(); err == nil || !strings.Contains(out, `unrecognized configuration parameter "shared_bufers"`) {
		t.Errorf("bad postgresql.conf: %v, %s", err, out)
	}
	write("postgresql.conf", "")
	if got := c.query("postgres", "select 1"); got != "1" {
		t.Errorf("the running server answers %q", got)
	}
	stop()
	before := control()
	must(t)(test())
	if control() != before {
		t.Error("the data has changed")
	}
	if left, _ := filepath.Glob(filepath.Join(conf, "test-*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A cluster that the server would not even open says nothing of pg_hba.conf.
func TestPostgresTestOfAnotherVersion(t *testing.T) {
	c := newCluster(t)
	for name, text := range map[string]string{"PG_VERSION": "9.4\n", "global/pg_control": "x", "postgresql.conf": "", "pg_hba.conf": "x\n", "pg_ident.conf": ""} {
		path := filepath.Join(c.data, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out, err := c.provision(c.cred, "postgresql", "test", "--server", filepath.Join(c.bin, "postgres"), "--data", c.data, "--conf", c.data)
	if err == nil || !strings.Contains(out, "pg_hba.conf was not read: ") {
		t.Errorf("%v, %s", err, out)
	}
}
