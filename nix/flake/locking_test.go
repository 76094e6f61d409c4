package flake_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
	"nix2gpu/nix/flakeref"
	"nix2gpu/nix/osfs"
	"nix2gpu/nix/store"
)

// lock locks the flake in dir.
func lock(t *testing.T, dir string, opts flake.LockOptions) (l *flake.Locking, err error) {
	t.Helper()
	ev := eval.New(eval.Options{FS: opts.FS})
	err = ev.Do(t.Context(), func(th *eval.Thread) { l = flake.Lock(th, dir, opts) })
	return l, err
}

// The files are those of Nix, byte for byte, at first and after changes. DIR stands for the
// folder of all flakes, whose root is the one called root.
func TestLockAgainstNix(t *testing.T) {
	nix, err := exec.LookPath("nix")
	if err != nil {
		t.Skip("nix is not installed; apt-get install nix-bin")
	}
	const leaf = `{ outputs = { self }: { }; }`
	for name, steps := range map[string][]map[string]string{
		"none": {{"root/flake.nix": leaf}},
		"one, and its content changes": {
			{"root/flake.nix": `{ inputs.a.url = "path:DIR/a"; outputs = _: { }; }`, "a/flake.nix": leaf},
			{"a/more": "text"},
			{"root/flake.nix": `{ inputs.a.url = "path:DIR/b"; outputs = _: { }; }`, "b/flake.nix": leaf},
		},
		"no flake": {{"root/flake.nix": `{ inputs.a = { url = "path:DIR/a"; flake = false; }; outputs = _: { }; }`, "a/text": "x"}},
		"of inputs, by one name": {{
			"root/flake.nix": `{ inputs = { b.url = "path:DIR/b"; a.url = "path:DIR/a"; c.url = "path:DIR/c"; }; outputs = _: { }; }`,
			"a/flake.nix":    `{ inputs.c.url = "path:DIR/c"; outputs = _: { }; }`,
			"b/flake.nix":    `{ inputs.a.url = "path:DIR/a"; outputs = _: { }; }`,
			"c/flake.nix":    leaf,
		}},
		"follows, which come and go": {
			{
				"root/flake.nix": `{ inputs = { a.url = "path:DIR/a"; a.inputs.c.follows = "c"; c.url = "path:DIR/c"; d.follows = "a/e"; }; outputs = _: { }; }`,
				"a/flake.nix":    `{ inputs = { c.url = "path:DIR/nowhere"; e.url = "path:DIR/c"; f.follows = "e"; }; outputs = _: { }; }`,
				"c/flake.nix":    leaf,
			},
			{"root/flake.nix": `{ inputs = { a.url = "path:DIR/a"; a.inputs = { c.follows = "c"; e.follows = "c"; }; c.url = "path:DIR/c"; }; outputs = _: { }; }`},
			{"root/flake.nix": `{ inputs.c.url = "path:DIR/c"; outputs = _: { }; }`},
		},
		"follows no more": {
			{
				"root/flake.nix": `{ inputs = { a.url = "path:DIR/a"; a.inputs.c.follows = "d"; d.url = "path:DIR/d"; }; outputs = _: { }; }`,
				"a/flake.nix":    `{ inputs = { c.url = "path:DIR/c"; e.follows = "c"; }; outputs = _: { }; }`,
				"c/flake.nix":    leaf, "d/flake.nix": leaf,
			},
			{"root/flake.nix": `{ inputs = { a.url = "path:DIR/a"; d.url = "path:DIR/d"; }; outputs = _: { }; }`},
			{"root/more": "text"},
		},
		"no flake, by another reference": {{
			"root/flake.nix": `{ inputs = { a.url = "path:DIR/a"; a.inputs.c.url = "path:DIR/d"; }; outputs = _: { }; }`,
			"a/flake.nix":    `{ inputs.c = { url = "path:DIR/c"; flake = false; }; outputs = _: { }; }`,
			"d/text":         "x",
		}},
		"follows the flake itself": {
			{
				"root/flake.nix": `{ inputs = { a.url = "path:DIR/a"; a.inputs.c.follows = ""; }; outputs = _: { }; }`,
				"a/flake.nix":    `{ inputs = { c.url = "path:DIR/nowhere"; d.follows = ""; }; outputs = _: { }; }`,
			},
			{"root/more": "text"},
		},
		"an input's own lock": {
			{
				"root/flake.nix": `{ outputs = _: { }; }`,
				"a/flake.nix":    `{ inputs = { c.url = "path:DIR/c"; d.follows = "c"; }; outputs = _: { }; }`,
				"a/flake.lock":   `{"nodes":{"c":{"locked":{"lastModified":1,"narHash":"HASH","path":"DIR/c","type":"path"},"original":{"path":"DIR/c","type":"path"}},"root":{"inputs":{"c":"c","d":["c"]}}},"root":"root","version":7}`,
				"c/flake.nix":    leaf,
			},
			{"root/flake.nix": `{ inputs.a.url = "path:DIR/a"; outputs = _: { }; }`},
		},
		"attributes": {{
			"root/flake.nix": `{ inputs.a = { type = "path"; path = "DIR/a"; }; inputs.b.url = "DIR/a"; outputs = { self, a, b }: { }; }`,
			"a/flake.nix":    leaf,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, own := t.TempDir(), t.TempDir()
			t.Cleanup(func() { // what is in a store can't be written to
				_ = filepath.WalkDir(own, func(name string, d fs.DirEntry, err error) error {
					if err == nil && d.IsDir() {
						err = os.Chmod(name, 0o755)
					}
					return err
				})
			})
			for i, files := range steps {
				write(t, dir, files)
				if strings.Contains(files["a/flake.lock"], "HASH") {
					hash := strings.TrimSpace(runNix(t, nix, own, "hash", "path", "--sri", filepath.Join(dir, "c")))
					write(t, dir, map[string]string{"a/flake.lock": strings.ReplaceAll(files["a/flake.lock"], "HASH", hash)})
				}
				root := filepath.Join(dir, "root")
				l, err := lock(t, root, flake.LockOptions{FS: osfs.FS{}})
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				runNix(t, nix, own, "flake", "lock", "path:"+root)
				want, err := os.ReadFile(filepath.Join(root, "flake.lock"))
				if errors.Is(err, os.ErrNotExist) && len(l.File.Nodes) == 1 {
					continue // without inputs, Nix writes none
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := l.File.Bytes(); string(got) != string(want) {
					t.Errorf("step %d:\n%s\nNix has\n%s", i, got, want)
				}
			}
		})
	}
}

// write makes files below dir, for which DIR stands in their texts.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// runNix runs nix with a store of its own, below a folder.
func runNix(t *testing.T, nix, own string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), nix, append([]string{"--store", "local?root=" + own}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+own, "NIX_CONFIG=substituters =\nexperimental-features = nix-command flakes\nsandbox = false\nbuild-users-group =")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("nix %s: %v\n%s", strings.Join(args, " "), err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

// What Nix 2.8 does not have, or does otherwise than later versions: relative folders,
// subfolders, and overrides by another reference.
func TestLock(t *testing.T) {
	const leaf = `{ outputs = { self }: { }; }`
	files := map[string]string{
		"root/flake.nix": `{
			inputs = {
				near.url = "./near";
				github = { type = "github"; owner = "o"; repo = "r"; ref = "main"; flake = false; };
				deep.url = "path:DIR/a?dir=sub";
				nixpkgs.url = "github:NixOS/nixpkgs";
				over.url = "path:DIR/over";
				over.inputs.a.url = "path:DIR/a?dir=sub";
				zLiteral.url = ./near;
				zOutside.url = ../other;
			};
			outputs = { self, nixpkgs, other, ... }: { };
		}`,
		"root/near/flake.nix":       `{ inputs.below.url = "path:./below"; outputs = _: { }; }`,
		"root/near/below/file":      "x",
		"a/sub/flake.nix":           leaf,
		"over/flake.nix":            `{ inputs.a.url = "github:not/this"; outputs = _: { }; }`,
		"root/near/below/flake.nix": leaf,
		"other/flake.nix":           leaf,
	}
	dir := t.TempDir()
	write(t, dir, files)
	var asked []string
	opts := flake.LockOptions{
		FS: osfs.FS{},
		Fetch: func(ref flakeref.Ref, _ bool) (flake.Fetched, error) {
			asked = append(asked, ref.String())
			locked := flakeref.Ref{"rev": strings.Repeat("ab", 20), "narHash": "sha256-x"}
			for name, v := range ref {
				locked[name] = v
			}
			return flake.Fetched{Locked: locked, Dir: filepath.Join(dir, "other")}, nil
		},
	}
	root := filepath.Join(dir, "root")
	l, err := lock(t, root, opts)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(l.Changes(), "\n")
	for _, want := range []string{
		"added near: path:./near\n", "added zLiteral: path:near\n", "added zLiteral/below: path:./below\n", "added zOutside: path:" + dir + "/other?", "added near/below: path:./below\n", "added deep: path:" + dir + "/a?dir=sub&lastModified=",
		"added github: github:o/r/" + strings.Repeat("ab", 20), "added over/a: path:" + dir + "/a?dir=sub&lastModified=", "added other: flake:other/abab",
	} {
		if !strings.Contains(got+"\n", want) {
			t.Errorf("there is no %q in\n%s", want, got)
		}
	}
	if want := []string{"flake:other", "github:NixOS/nixpkgs", "github:o/r/main"}; !slices.Equal(slices.Sorted(slices.Values(asked)), want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	if near := l.File.Nodes["near"]; near.Parent == nil || len(near.Parent) != 0 || !slices.Equal(l.File.Nodes["below"].Parent, []string{"near"}) {
		t.Errorf("the parents are %v and %v", near.Parent, l.File.Nodes["below"].Parent)
	}

	// What is locked stays, without a question.
	write(t, root, map[string]string{"flake.lock": string(l.File.Bytes())})
	asked = nil
	again, err := lock(t, root, opts)
	if err != nil || len(again.Changes()) > 0 || asked != nil || string(again.File.Bytes()) != string(l.File.Bytes()) {
		t.Errorf("again: %q, asked %q, %v\n%s\nbefore\n%s", again.Changes(), asked, err, again.File.Bytes(), l.File.Bytes())
	}
	opts.Update = func(input []string) bool { return input[0] == "github" }
	if _, err := lock(t, root, opts); err != nil || !slices.Equal(asked, []string{"github:o/r/main"}) {
		t.Errorf("to update one, it asked for %q, %v", asked, err)
	}

	// Where nothing can be fetched, what is built in needs no lock.
	opts = flake.LockOptions{FS: osfs.FS{}, BuiltIn: func(name string) bool { return name == "nixpkgs" }}
	if err := os.Remove(filepath.Join(root, "flake.lock")); err != nil {
		t.Fatal(err)
	}
	_, err = lock(t, root, opts)
	if want := `flake.nix:4:5: not supported: locking github:o/r/main for input "github" without fetching it`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	for inputs, want := range map[string]string{
		`f = { url = "https://example.org/x.txt"; flake = false; };`: `locking file+https://example.org/x.txt for input "f"`,
		`f = { type = "github"; owner = "o"; };`:                     `input "f": the type "github" needs "repo"`,
		`f = { type = "ftp"; url = "ftp://x"; };`:                    `input "f": the type "ftp" must be one of`,
	} {
		write(t, root, map[string]string{"flake.nix": "{ inputs = { " + inputs + " }; outputs = _: { }; }"})
		if _, err := lock(t, root, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", inputs, err, want)
		}
	}
	write(t, dir, map[string]string{"root/flake.nix": `{ inputs.n.url = "github:NixOS/nixpkgs/main"; outputs = _: { }; }`})
	if l, err = lock(t, root, opts); err != nil || !slices.Equal(l.BuiltIn, []string{"n"}) || len(l.File.Nodes) != 1 {
		t.Errorf("built in are %q, %v", l.BuiltIn, err)
	}
	// But what Nix has locked stays, also when all is looked up anew.
	const ofNix = `{"nodes":{"n":{"locked":{"owner":"NixOS","repo":"nixpkgs","rev":"1","type":"github"},"original":{"owner":"NixOS","ref":"main","repo":"nixpkgs","type":"github"}},"root":{"inputs":{"n":"n"}}},"root":"root","version":7}`
	write(t, root, map[string]string{"flake.lock": ofNix})
	opts.Update = func([]string) bool { return true }
	if l, err = lock(t, root, opts); err != nil || len(l.Changes()) > 0 || len(l.File.Nodes) != 2 {
		t.Errorf("with a lock of Nix: %q, %v", l.Changes(), err)
	}
}

// An input that is looked up anew takes for its inputs what it has locked by then, and not
// what was locked for it before.
func TestUpdateTakesTheInputsLock(t *testing.T) {
	dir, c := t.TempDir(), ""
	fetch := func(flakeref.Ref, bool) (flake.Fetched, error) {
		return flake.Fetched{Locked: flakeref.Ref{"type": "indirect", "id": "c", "narHash": c}, Dir: filepath.Join(dir, "c")}, nil
	}
	write(t, dir, map[string]string{
		"root/flake.nix": `{ inputs.a.url = "path:DIR/a"; outputs = _: { }; }`,
		"a/flake.nix":    `{ inputs.c.url = "c"; outputs = _: { }; }`,
		"c/flake.nix":    `{ outputs = _: { }; }`,
	})
	for _, step := range []struct {
		now    string // what c is found to be
		folder string
		update bool
		want   string // what c is locked to for root
	}{
		{"one", "a", false, "one"},
		{"one", "root", false, "one"},
		{"two", "a", true, "two"},
		{"three", "root", false, "one"},
		{"three", "root", true, "two"},
	} {
		c = step.now
		root := filepath.Join(dir, step.folder)
		l, err := lock(t, root, flake.LockOptions{FS: osfs.FS{}, Fetch: fetch, Update: func(input []string) bool { return step.update && len(input) == 1 }})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.File.Nodes["c"].Locked.Text("narHash"); got != step.want {
			t.Errorf("%+v: c is locked to %s", step, got)
		}
		write(t, root, map[string]string{"flake.lock": string(l.File.Bytes())})
	}
}

// An input that has changed since it was locked is refused, once it is used.
func TestLockedContent(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"root/flake.nix": `{ inputs.a.url = "path:DIR/a"; inputs.b.url = "path:DIR/a"; outputs = { a, ... }: { x = a.x + " " + a.narHash + " " + toString a.lastModified; y = "y"; }; }`,
		"a/flake.nix":    `{ outputs = _: { x = "x"; }; }`,
	})
	root := filepath.Join(dir, "root")
	l, err := lock(t, root, flake.LockOptions{FS: osfs.FS{}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, map[string]string{"flake.lock": string(l.File.Bytes())})
	read := func(name string) (got string, err error) {
		ev := eval.New(eval.Options{FS: osfs.FS{}})
		err = ev.Do(t.Context(), func(th *eval.Thread) {
			got = th.Text(th.Select(flake.Load(th, root, flake.Options{FS: osfs.FS{}}).Self, name))
		})
		return got, err
	}
	locked := l.File.Nodes["a"].Locked
	if got, err := read("x"); got != fmt.Sprintf("x %s %d", locked.Text("narHash"), locked.Int("lastModified")) {
		t.Errorf("x = %q, %v; the lock has %s", got, err, locked)
	}
	write(t, dir, map[string]string{"a/more": "text"})
	if got, err := read("x"); err == nil || !strings.Contains(err.Error(), `input "a" has changed since it was locked`) || !strings.Contains(err.Error(), "nix2gpu flake lock --update-input a") {
		t.Errorf("x = %q, %v of what has changed", got, err)
	}
	if got, err := read("y"); got != "y" {
		t.Errorf("y = %q, %v, although it uses no input", got, err)
	}
	// A lock of another reference is out of date, and says nothing.
	write(t, dir, map[string]string{"root/flake.nix": `{ inputs.a.url = "path:DIR/a?dir=."; outputs = { a, ... }: { x = a.x; }; }`})
	if got, err := read("x"); got != "x" {
		t.Errorf("x = %q, %v of an input that is another one now", got, err)
	}
}

// Of an input's input that has changed, the cure names the path.
func TestLockedContentBelow(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"root/flake.nix": `{ inputs.a.url = "path:DIR/a"; outputs = { a, ... }: { inherit (a) x; }; }`,
		"a/flake.nix":    `{ inputs.b = { url = "path:DIR/b"; flake = false; }; outputs = { b, ... }: { x = b.outPath; }; }`,
		"b/text":         "x",
	})
	root := filepath.Join(dir, "root")
	l, err := lock(t, root, flake.LockOptions{FS: osfs.FS{}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"root/flake.lock": string(l.File.Bytes()), "b/text": "y"})
	ev := eval.New(eval.Options{FS: osfs.FS{}})
	err = ev.Do(t.Context(), func(th *eval.Thread) {
		th.Text(th.Select(flake.Load(th, root, flake.Options{FS: osfs.FS{}}).Self, "x"))
	})
	if err == nil || !strings.Contains(err.Error(), `input "a/b" has changed`) || !strings.HasSuffix(err.Error(), "--update-input a/b") {
		t.Errorf("%v of an input's input that has changed", err)
	}
}

// What Nix's store has of an input needs no fetching.
func TestInputsOfTheStore(t *testing.T) {
	const hash = "sha256-e8e5e4RmnuGihrz/gYH+uPo0tNpGvTpXlyytX1oYIT4="
	sum, err := store.ParseHash("sha256", hash)
	if err != nil {
		t.Fatal(err)
	}
	files := memory{fstest.MapFS{}}
	for name, text := range map[string]string{
		"/f/flake.nix":  `{ inputs.a.url = "github:o/r/main?dir=sub"; outputs = { a, ... }: { x = a.x + " " + a.shortRev + " " + a.lastModifiedDate + " " + toString a.revCount + " " + a.outPath + " " + a.sourceInfo.outPath; }; }`,
		"/f/flake.lock": `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"a": "a"}}, "a": {"locked": {"type": "github", "narHash": "` + hash + `", "dir": "sub", "rev": "` + strings.Repeat("ab", 20) + `", "revCount": 3, "lastModified": 86400}}}}`,
		store.FixedPath("source", store.Recursive, sum) + "/sub/flake.nix": `{ outputs = _: { x = "x"; }; }`,
	} {
		files.MapFS[name[1:]] = &fstest.MapFile{Data: []byte(text)}
	}
	ev := eval.New(eval.Options{FS: files})
	var got string
	err = ev.Do(t.Context(), func(th *eval.Thread) {
		got = th.Text(th.Select(flake.Load(th, "/f", flake.Options{FS: files}).Self, "x"))
	})
	at := store.FixedPath("source", store.Recursive, sum)
	want := "x abababa 19700102000000 3 " + at + "/sub " + at
	if got != want {
		t.Errorf("x = %q, %v, want %q", got, err, want)
	}
}

// What is wrong with inputs is said where it is written.
func TestLockRefuses(t *testing.T) {
	const leaf = `{ outputs = _: { }; }`
	for name, c := range map[string]struct{ root, err string }{
		"nothing":               {`{ inputs.a.url = "path:./a"; inputs.b.follows = "a"; outputs = _: { }; }`, ""},
		"one that is built in":  {`{ inputs.a.url = "path:./a"; inputs.a.inputs.c.follows = "nixpkgs"; inputs.b.follows = "nixpkgs/x"; outputs = { nixpkgs, ... }: { }; }`, ""},
		"an unknown one":        {`{ inputs.a.url = "path:./a"; inputs.b.follows = "c"; outputs = _: { }; }`, `flake.nix:1:37: input "b" follows "c", which is not an input`},
		"an unknown one of one": {`{ inputs.a.url = "path:./a"; inputs.b.follows = "a/c"; outputs = _: { }; }`, `input "b" follows "a/c", which is not an input`},
		"an override":           {`{ inputs.d.url = "path:./d"; inputs.d.inputs.e.follows = "zz"; outputs = _: { }; }`, `input "d/e" follows "zz", which is not an input`},
		"a circle":              {`{ inputs.a.follows = "b"; inputs.b.follows = "a"; outputs = _: { }; }`, ""},
		"an attribute":          {`{ input.a.url = "path:./a"; outputs = _: { }; }`, `flake.nix:1:3: a flake has no attribute "input"`},
	} {
		t.Run(name, func(t *testing.T) {
			files := memory{fstest.MapFS{
				"f/flake.nix":   {Data: []byte(c.root)},
				"f/a/flake.nix": {Data: []byte(leaf)},
				"f/d/flake.nix": {Data: []byte(`{ inputs.e.url = "path:../a"; outputs = _: { }; }`)},
			}}
			_, err := lock(t, "/f", flake.LockOptions{FS: files, BuiltIn: func(name string) bool { return name == "nixpkgs" }})
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
		})
	}
}
