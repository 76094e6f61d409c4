package cli

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/definition"
	"nix2gpu/nix/flakeref"
)

// The nix of the machine fetches a repository, a flake or not, and says what it is.
func TestFetchByNix(t *testing.T) {
	for _, program := range []string{"nix", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed; apt-get install nix-bin git", program)
		}
	}
	repository, own := t.TempDir(), t.TempDir()
	t.Cleanup(func() { // what is in a store can't be written to
		_ = filepath.WalkDir(own, func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(name, 0o755)
			}
			return err
		})
	})
	if err := os.WriteFile(filepath.Join(repository, "flake.nix"), []byte("{ outputs = _: { }; }"), 0o644); err != nil {
		t.Fatal(err)
	}
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", repository, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+own)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v: %s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "--quiet", "--initial-branch=main")
	git("add", "--all")
	git("commit", "--quiet", "--message=one")
	env := &Env{Environ: append(os.Environ(), "HOME="+own,
		"NIX_CONFIG=substituters =\nsandbox = false\nbuild-users-group =\nstore = local?root="+own)}
	ref, err := flakeref.Parse("git+file://" + repository + "?ref=main")
	if err != nil {
		t.Fatal(err)
	}
	var hash string
	for _, plain := range []bool{false, true} {
		got, err := fetchByNix(t.Context(), env, ref, plain)
		if err != nil {
			t.Fatal(err)
		}
		if want := git("rev-parse", "HEAD"); got.Locked.Text("rev") != want || got.Locked.Int("revCount") != 1 || got.Locked.Int("lastModified") == 0 {
			t.Errorf("plain %t: it is locked to %v, want %s", plain, got.Locked, want)
		}
		if text, err := os.ReadFile(filepath.Join(own, got.Dir, "flake.nix")); err != nil || string(text) != "{ outputs = _: { }; }" {
			t.Errorf("plain %t: in %s is %q, %v", plain, got.Dir, text, err)
		}
		if again := got.Locked.Text("narHash"); again == "" || hash != "" && again != hash {
			t.Errorf("the hash is %q, and was %q", again, hash)
		} else {
			hash = again
		}
	}
	for _, plain := range []bool{false, true} {
		missing := flakeref.Ref{"type": "git", "url": "file://" + repository + "/missing"}
		if got, err := fetchByNix(t.Context(), env, missing, plain); err == nil || !strings.Contains(err.Error(), "nix says: ") || !strings.Contains(err.Error(), "missing") {
			t.Errorf("plain %t: %v, %v of what is not there", plain, got, err)
		}
	}
}

// A nix that ends without a reason is told of with what there is.
func TestNixSaysSomething(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	for script, want := range map[string]string{
		"exit 3":                                   "nix says: exit status 3",
		"echo one >&2; echo two >&2; exit 1":       "nix says: two",
		"echo 'error: no' >&2; echo x >&2; exit 1": "nix says: no",
	} {
		if err := os.WriteFile(filepath.Join(dir, "nix"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		env := &Env{Environ: os.Environ()}
		if _, err := fetchByNix(t.Context(), env, flakeref.Ref{"type": "git", "url": "file:///missing"}, true); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", script, err, want)
		}
	}
}

// What a stranger's flake is called does nothing to the terminal.
func TestOutputsAreHarmless(t *testing.T) {
	var out bytes.Buffer
	writeOutputs(&Env{Stdout: &out}, []definition.Output{{Name: "a\x1b[2J", What: "x\ny", Below: []definition.Output{{Name: "ü ö"}}}}, "")
	if want := "└── a�[2J: x�y\n    └── ü ö\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
