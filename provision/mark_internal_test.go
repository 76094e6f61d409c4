package provision

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mark that can't be looked at is neither there nor missing.
func TestMarked(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mark")
	if there, err := marked(file, "x"); there || err != nil {
		t.Errorf("before: %t, %v", there, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	there, err := marked(file, "x")
	if info, _ := os.Stat(file); !there || err != nil || info.Mode().Perm() != markMode {
		t.Errorf("after: %t, %v, %v", there, err, info.Mode())
	}
	if there, err := marked(filepath.Join(file, "below"), "x"); there || err == nil || !strings.Contains(err.Error(), "x: cannot tell whether the set-up is done: ") {
		t.Errorf("below a file: %t, %v", there, err)
	}
}
