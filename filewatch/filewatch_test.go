package filewatch_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/filewatch"
	"nix2gpu/internal/testkit"
)

// A folder is one that a test watches. What is done in it and does not count is followed by
// something that does: the order of events is that of the changes.
type folder struct {
	*testing.T
	dir     string
	changes chan string
	ended   chan error
}

func watch(t *testing.T, opts filewatch.Options, files ...string) *folder {
	f := &folder{T: t, dir: t.TempDir(), changes: make(chan string, 100), ended: make(chan error, 1)}
	for _, file := range files {
		f.write(file)
	}
	for i, p := range opts.Paths {
		opts.Paths[i].Path = filepath.Join(f.dir, p.Path)
	}
	opts.Debounce = 20 * time.Millisecond
	if opts.MaxFolders == 0 {
		opts.MaxFolders = 100
	}
	w, err := filewatch.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { f.ended <- w.Run(ctx, func(path string) { f.changes <- path }) }()
	t.Cleanup(func() {
		cancel()
		<-f.ended
	})
	return f
}

func (f *folder) write(file string) {
	f.Helper()
	path := filepath.Join(f.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
		f.Fatal(err)
	}
}

// wants waits until a change of the file is told. What was told of others before it, of the
// same burst, is an error.
func (f *folder) wants(file string) {
	f.Helper()
	select {
	case got := <-f.changes:
		if got != filepath.Join(f.dir, file) {
			f.Errorf("told of %s, want %s", got, file)
		}
	case err := <-f.ended:
		f.ended <- err
		f.Fatalf("it has ended: %v", err)
	case <-time.After(testkit.Patience):
		f.Fatalf("not told of %s", file)
	}
	for { // what is left of the burst
		select {
		case <-f.changes:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}

func TestWhatCounts(t *testing.T) {
	f := watch(t, filewatch.Options{
		Paths:  []filewatch.Tree{{Path: "src", Exclude: []string{"*_test.go", "gen/**"}}, {Path: "web", Include: []string{"**/*.{ts,css}"}}},
		Ignore: func(path string) bool { return strings.HasSuffix(path, "/own") },
	}, "src/a/b.go", "web/x.ts", "src/node_modules/m/i.js", "src/.git/HEAD")
	for _, other := range []string{"src/a/b_test.go", "src/gen/x/y.go", "src/node_modules/m/i.js", "src/.git/HEAD", "src/out.log", "src/.b.go.swp", "src/b.go~",
		"web/x.js", "web/a/x.tsx", "src/own/x.go", "elsewhere.go"} {
		f.write(other)
	}
	f.write("src/a/b.go")
	f.wants("src/a/b.go")
	f.write("web/new/deep/z.css") // in folders that were not there
	f.wants("web/new/deep/z.css")
	f.write("web/new/deep/y.ts")
	f.wants("web/new/deep/y.ts")
	if err := os.Rename(filepath.Join(f.dir, "src/a"), filepath.Join(f.dir, "src/moved")); err != nil {
		t.Fatal(err)
	}
	f.wants("src/a") // which is gone
	f.write("src/moved/c_test.go")
	f.write("src/moved/c.go")
	f.wants("src/moved/c.go")
	if err := os.Remove(filepath.Join(f.dir, "src/moved/c.go")); err != nil {
		t.Fatal(err)
	}
	f.wants("src/moved/c.go")
	if err := os.Chmod(filepath.Join(f.dir, "src/moved/b.go"), 0o700); err != nil { // its text is as before
		t.Fatal(err)
	}
	f.write("src/last.go")
	f.wants("src/last.go")
}

func TestAllCounts(t *testing.T) {
	f := watch(t, filewatch.Options{Paths: []filewatch.Tree{{Path: "."}}, All: true}, "node_modules/i.js")
	f.write("node_modules/i.js")
	f.wants("node_modules/i.js")
}

// An editor puts another file in the place of one. Only that one counts.
func TestOneFile(t *testing.T) {
	f := watch(t, filewatch.Options{Paths: []filewatch.Tree{{Path: "bin/Make[file]"}}}, "bin/Make[file]")
	for range 3 {
		f.write("bin/other")
		if err := os.Rename(filepath.Join(f.dir, "bin/other"), filepath.Join(f.dir, "bin/Make[file]")); err != nil {
			t.Fatal(err)
		}
		f.wants("bin/Make[file]")
	}
	f.write("bin/sub/Make[file]")
	f.write("bin/Make[file]")
	f.wants("bin/Make[file]")
}

func TestWhatCannotBeWatched(t *testing.T) {
	dir := t.TempDir()
	for range 3 {
		dir = filepath.Join(dir, "d")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root := filepath.Dir(filepath.Dir(dir))
	_, err := filewatch.New(filewatch.Options{Paths: []filewatch.Tree{{Path: root}}, MaxFolders: 2})
	if want := "there are more than 2 folders below " + root + "; exclude what nobody edits, or set max_entries"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := filewatch.New(filewatch.Options{Paths: []filewatch.Tree{{Path: filepath.Join(root, "none")}}, MaxFolders: 2}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	f := watch(t, filewatch.Options{Paths: []filewatch.Tree{{Path: "src"}}}, "src/a")
	if err := os.Rename(filepath.Join(f.dir, "src"), filepath.Join(f.dir, "gone")); err != nil {
		t.Fatal(err)
	}
	err = <-f.ended
	f.ended <- err
	if err == nil || !strings.HasSuffix(err.Error(), "/src must be there to be watched; it was removed or renamed") {
		t.Errorf("got %v", err)
	}
}
