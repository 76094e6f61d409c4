package flake

import (
	"crypto/sha256"
	"io/fs"
	"path"
	"time"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/flakeref"
	"nix2gpu/nix/store"
)

// hashOf returns the hash of the archive of a folder, as flake.lock has it.
func hashOf(t *eval.Thread, files eval.FS, dir string) string {
	sum := sha256.New()
	if err := store.WriteNAR(sum, files, dir, nil); err != nil {
		if pe, ok := err.(*fs.PathError); ok {
			t.FailFile(pe.Path, err)
		}
		t.FailFile(dir, err)
	}
	return store.Hash{Kind: "sha256", Sum: sum.Sum(nil)}.SRI()
}

// modifiedIn returns when anything in a folder was changed last, in seconds since 1970.
func modifiedIn(t *eval.Thread, files eval.FS, name string) int64 {
	info, err := files.Lstat(name)
	if err != nil {
		t.FailFile(name, err)
	}
	last := info.ModTime().Unix()
	if !info.IsDir() {
		return last
	}
	entries, err := files.ReadDir(name)
	if err != nil {
		t.FailFile(name, err)
	}
	for _, e := range entries {
		last = max(last, modifiedIn(t, files, path.Join(name, e.Name())))
	}
	return last
}

// inStore returns the folder in Nix's store that has what a reference is locked to, as
// far as that is there.
func inStore(files eval.FS, locked flakeref.Ref) (dir string, ok bool) {
	if files == nil || locked.Text("narHash") == "" {
		return "", false
	}
	hash, err := store.ParseHash("sha256", locked.Text("narHash"))
	if err != nil {
		return "", false
	}
	dir = store.FixedPath("source", store.Recursive, hash)
	_, err = files.Lstat(dir)
	return dir, err == nil
}

// check fails if the folder that an input is locked to has changed since. name is the path
// of inputs to it.
func (l *loader) check(t *eval.Thread, s spec, name, dir string, locked flakeref.Ref) {
	want := locked.Text("narHash")
	if want == "" || l.opts.FS == nil || locked.Type() != "path" {
		return
	}
	if got := hashOf(t, l.opts.FS, dir); got != want {
		t.Fail(s.pos, "input %q has changed since it was locked: %s is %s, and flake.lock has %s; to take what is there now: nix2gpu flake lock --update-input %s",
			name, dir, got, want, name)
	}
}

// sourceInfo returns what a flake knows of its source: where it is, and what the lock says.
func sourceInfo(dir string, files eval.FS, locked flakeref.Ref) *eval.Attrs {
	outPath := eval.StrContext(dir, eval.NewContext("source:"+dir))
	set := eval.NewAttrs(8).Set("outPath", outPath)
	// The time of a folder that is edited would make each evaluation another one.
	modified := max(locked.Int("lastModified"), 1)
	set.Set("lastModified", eval.MakeInt(modified))
	set.Set("lastModifiedDate", eval.Str(time.Unix(modified, 0).UTC().Format("20060102150405")))
	if hash := locked.Text("narHash"); hash != "" {
		set.Set("narHash", eval.Str(hash))
	} else if files != nil {
		set.Set("narHash", eval.Lazy(func(t *eval.Thread) eval.Value { return eval.Str(hashOf(t, files, dir)) }))
	}
	if rev := locked.Text("rev"); rev != "" {
		set.Set("rev", eval.Str(rev)).Set("shortRev", eval.Str(rev[:min(7, len(rev))]))
	}
	if n := locked.Int("revCount"); n > 0 {
		set.Set("revCount", eval.MakeInt(n))
	}
	return set.Done()
}
