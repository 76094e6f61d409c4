package provision

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/debtest"
)

// The policy that keeps servers from being started is there for as long as it
// is needed, and an administrator's own is never touched.
func TestDenyStarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy-rc.d")
	for _, before := range []string{"", policy} { // none; left by a killed run
		if before != "" {
			os.WriteFile(path, []byte(before), 0o755)
		}
		undo, err := denyStarts(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Fatalf("the policy: %v, %v", info, err)
		}
		undo()
		if left, _ := filepath.Glob(path + "*"); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
	own := "#!/bin/sh\nexit 0\n"
	os.WriteFile(path, []byte(own), 0o755)
	undo, err := denyStarts(path)
	if err != nil {
		t.Fatal(err)
	}
	undo()
	if data, _ := os.ReadFile(path); string(data) != own {
		t.Errorf("the administrator's policy became %q", data)
	}
}

func TestInstallSaysWhatToType(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Setenv("PATH", t.TempDir()) // no apt-get
	}
	err := Install(t.Context(), []string{"nginx", "redis-server"}, Stdio{}, nil)
	if err == nil || !strings.Contains(err.Error(), "nginx redis-server") || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("Install = %v", err)
	}
	if err := Install(t.Context(), []string{"--force-yes"}, Stdio{}, nil); err == nil || !strings.Contains(err.Error(), "is not the name of a package") {
		t.Errorf("an option as a package: %v", err)
	}
}

// TestInstallTellsHowFar lets apt and dpkg install from an archive of the test's own
// into a folder, and hears how far they are.
func TestInstallTellsHowFar(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can install packages")
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		t.Skip("apt is not installed: this machine is no Debian")
	}
	key := debtest.NewKey(t, 0)
	server := debtest.Serve(t, debtest.Archive{Keys: []*debtest.Key{key}, Debs: []debtest.Deb{
		{Name: "greeting", Depends: "words", Entries: []debtest.Entry{debtest.Exec("usr/bin/greeting", "#!/bin/sh\n")}},
		{Name: "words"},
	}}.Tree(t))
	dir := t.TempDir()
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial", "log", "none",
		"root/var/lib/dpkg/updates", "root/var/lib/dpkg/info", "root/var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"key.asc":                  string(key.Public(t)),
		"root/var/lib/dpkg/status": "",
		"none/preferences":         "",
		"sources.list":             fmt.Sprintf("deb [signed-by=%s/key.asc] %s bookworm main\n", dir, server.URL),
		"apt.conf": strings.ReplaceAll(`
			Dir::Etc { Main "none/main"; Parts "DIR/none"; SourceList "DIR/sources.list"; SourceParts "DIR/none"; Preferences "DIR/none/preferences"; PreferencesParts "DIR/none"; };
			Dir::State "DIR/state"; Dir::State::status "DIR/root/var/lib/dpkg/status"; Dir::Cache "DIR/cache"; Dir::Log "DIR/log";
			APT::Sandbox::User "root"; Acquire::Languages "none"; Acquire::http::Proxy::127.0.0.1 "DIRECT";
			DPkg::Options { "--root=DIR/root"; "--log=DIR/log/dpkg.log"; };
		`, "DIR", dir),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("APT_CONFIG", filepath.Join(dir, "apt.conf"))
	var out bytes.Buffer
	var steps []Step
	err := install(t.Context(), []string{"greeting"}, Stdio{Out: &out, Err: &out}, func(s Step) { steps = append(steps, s) }, filepath.Join(dir, "policy"))
	if err != nil {
		t.Fatalf("install: %v\n%s", err, &out)
	}
	if _, err := os.Stat(filepath.Join(dir, "root/usr/bin/greeting")); err != nil {
		t.Errorf("nothing was installed: %v\n%s", err, &out)
	}
	if !strings.Contains(out.String(), "Setting up greeting") {
		t.Errorf("apt's own words are missing:\n%s", &out)
	}
	installing := -1.0
	doing := map[string]bool{}
	for _, s := range steps {
		doing[s.Doing] = true
		if s.Text == "" {
			t.Errorf("nothing is said of %+v", s)
		}
		if s.Doing == "installing" {
			if s.Percent < installing {
				t.Errorf("it goes backwards: %+v", steps)
			}
			installing = s.Percent
		}
	}
	if !doing["downloading"] || !doing["installing"] || installing < 50 {
		t.Errorf("told were %+v", steps)
	}
}

func TestParseStep(t *testing.T) {
	for line, want := range map[string]Step{
		"dlstatus:1:45.4545:Retrieving file 1 of 2 (3s remaining)":    {"downloading", "Retrieving file 1 of 2 (3s remaining)", 45.4545},
		"pmstatus:hello:60.0000:Preparing to configure hello (amd64)": {"installing", "Preparing to configure hello (amd64)", 60},
		"pmstatus:dpkg-exec:0:Running: dpkg":                          {"installing", "Running: dpkg", 0},
		"pmstatus:a:10:Entpacken von \xfcber":                         {"installing", "Entpacken von ?ber", 10},
		"pmerror:hello:60.0:trying to overwrite":                      {},
		"pmconffile:/etc/hello:50:'old' 'new' 1 1":                    {},
		"media-change: please insert the disc labelled":               {},
		"dlstatus:1:nan:x":                                            {},
		"dlstatus:1:101:x":                                            {},
		"dlstatus:1:50":                                               {},
		"":                                                            {},
	} {
		if got, ok := parseStep(line); got != want || ok != (want != Step{}) {
			t.Errorf("parseStep(%q) = %+v, %t", line, got, ok)
		}
	}
}
