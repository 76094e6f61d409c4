package provision

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	err := Install(t.Context(), []string{"nginx", "redis-server"}, Stdio{})
	if err == nil || !strings.Contains(err.Error(), "nginx redis-server") || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("Install = %v", err)
	}
	if err := Install(t.Context(), []string{"--force-yes"}, Stdio{}); err == nil || !strings.Contains(err.Error(), "is not the name of a package") {
		t.Errorf("an option as a package: %v", err)
	}
}
