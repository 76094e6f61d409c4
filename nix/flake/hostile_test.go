package flake_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flake"
	"nix2gpu/nix/flakeref"
)

// lockWith locks and loads a flake that has this flake.lock.
func lockWith(t testing.TB, lock string) error {
	files := memory{fstest.MapFS{
		"f/flake.nix":  {Data: []byte(`{ inputs.a.url = "github:o/r"; outputs = { a, ... }: { }; }`)},
		"f/flake.lock": {Data: []byte(lock)},
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return eval.New(eval.Options{FS: files, MaxSteps: 1 << 20}).Do(ctx, func(th *eval.Thread) {
		l := flake.Lock(th, "/f", flake.LockOptions{FS: files, Fetch: func(ref flakeref.Ref, _ bool) (flake.Fetched, error) {
			return flake.Fetched{}, fmt.Errorf("nothing is fetched here")
		}})
		l.Changes()
		l.File.Bytes()
		flake.Load(th, "/f", flake.Options{})
	})
}

// doubling returns n nodes, of which each has the next one twice.
func doubling(n int, edge func(i int) string) string {
	var b strings.Builder
	b.WriteString(`{"version": 7, "root": "n0", "nodes": {`)
	for i := range n {
		fmt.Fprintf(&b, `"n%d": {"locked": {"type": "github", "owner": "o", "repo": "r"}, "original": {"type": "github", "owner": "o", "repo": "r"}, "inputs": {"a": %s, "b": %s}}, `,
			i, edge(i), edge(i))
	}
	fmt.Fprintf(&b, `"n%d": {}}}`, n)
	return b.String()
}

func TestHostileLocks(t *testing.T) {
	for name, test := range map[string]struct{ lock, want string }{
		"inputs that double": {doubling(29, func(i int) string { return fmt.Sprintf(`"n%d"`, i+1) }),
			"/f/flake.lock has more than 10000 inputs, counted with those of inputs; lock it again, with follows for what they share"},
		"inputs in a circle": {doubling(2, func(i int) string { return fmt.Sprintf(`"n%d"`, 1-i) }),
			"/f/flake.lock: inputs of inputs nest more than 30 levels deep; does \"n0\" lead back to itself?"},
		"a chain": {doubling(40, func(i int) string { return fmt.Sprintf(`"n%d"`, i+1) }),
			"/f/flake.lock: inputs of inputs nest more than 30 levels deep"},
		"follows in a circle": {doubling(2, func(int) string { return `["a", "a", "b", "b"]` }), "nothing is fetched here"},
		"no lock":             {`[1]`, "/f/flake.lock is not a lock file"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := lockWith(t, test.lock); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A chain of inputs is too long by whatever path it was counted first.
func TestDeepLock(t *testing.T) {
	var nodes []string
	for i := range 40 { // "a" leads to the second half, and "b" through the first one to it
		nodes = append(nodes, fmt.Sprintf(`"n%d": {"inputs": {"next": "n%d"}}`, i, i+1))
	}
	lock := `{"version": 7, "root": "root", "nodes": {"root": {"inputs": {"a": "n20", "b": "n0"}}, "n40": {}, ` + strings.Join(nodes, ", ") + `}}`
	const want = "/f/flake.lock: inputs of inputs nest more than 30 levels deep"
	for range 20 {
		if err := lockWith(t, lock); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("got %v, want %s", err, want)
		}
	}
}

func FuzzLock(f *testing.F) {
	f.Add(doubling(3, func(i int) string { return fmt.Sprintf(`"n%d"`, i+1) }))
	f.Add(doubling(3, func(i int) string { return `["a", "b"]` }))
	f.Add(`{"nodes":{"a":{"inputs":{"b":["a"]},"locked":{"lastModified":1,"narHash":"sha256-x","path":"./b","type":"path"},"original":{"path":"./b","type":"path"},"parent":[]},"root":{"inputs":{"a":"a"}}},"root":"root","version":7}`)
	f.Fuzz(func(t *testing.T, lock string) {
		err := lockWith(t, lock)
		if err, ok := err.(*eval.Error); ok && err.Kind == eval.KindInternal {
			t.Errorf("%v", err)
		}
	})
}
