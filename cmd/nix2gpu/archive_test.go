package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"nix2gpu/internal/debtest"
)

// An archive is the Debian mirror of one script.
type archive struct {
	key    *debtest.Key
	server *debtest.Server
	date   time.Time
	files  *debtest.Server // of a vendor
	vendor *debtest.Server
}

// cmdFiles serves the files of a folder, as a vendor does, until the script ends, at
// $FILES. A folder with the name of an archive is served as that archive. A second call
// replaces all of it.
//
//	files folder
func cmdFiles(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: files folder")
	}
	t := ts.Value("t").(testing.TB)
	a := ts.Value("archive").(*archive)
	if a.files == nil {
		a.files = debtest.Serve(t, nil)
		ts.Setenv("FILES", a.files.URL)
	}
	root := ts.MkAbs(args[0])
	entries, err := os.ReadDir(root)
	ts.Check(err)
	tree := debtest.Tree{}
	for _, e := range entries {
		file := filepath.Join(root, e.Name())
		switch filepath.Ext(e.Name()) {
		case ".tgz":
			tree[e.Name()] = debtest.Compress(t, "gz", debtest.Tar(t, entriesOf(ts, file)))
		case ".zip":
			tree[e.Name()] = debtest.Zip(t, entriesOf(ts, file))
		default:
			tree[e.Name()] = []byte(ts.ReadFile(file))
		}
	}
	a.files.Set(tree)
}

// entriesOf returns the files of a folder. One that begins like a script is executable.
func entriesOf(ts *testscript.TestScript, folder string) []debtest.Entry {
	var out []debtest.Entry
	ts.Check(filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, file)
		body := ts.ReadFile(file)
		one := debtest.File(name, body)
		if strings.HasPrefix(body, "#!") {
			one = debtest.Exec(name, body)
		}
		out = append(out, one)
		return err
	}))
	return out
}

// cmdArchive serves packages as Debian does, until the script ends. Each line of the
// file is "name version arch", followed by its dependencies. $MIRROR and $KEYRING are
// for --mirror and --keyring. A second call replaces what is served, at a later date.
//
//	archive packages.txt
func cmdArchive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: archive file")
	}
	t := ts.Value("t").(testing.TB)
	a := ts.Value("archive").(*archive)
	if a.server == nil {
		// Signatures are compared with this machine's clock.
		a.key, a.date = debtest.NewKey(t, 0), time.Now().Add(-48*time.Hour)
		a.server = debtest.Serve(t, nil)
		ts.Setenv("MIRROR", a.server.URL+"/debian")
		ts.Setenv("KEYRING", ts.MkAbs("archive.asc"))
		ts.Check(os.WriteFile(ts.MkAbs("archive.asc"), a.key.Public(t), 0o644))
	}
	a.date = a.date.Add(time.Minute)
	debs := readDebs(ts, args[0])
	release := debtest.Archive{Keys: []*debtest.Key{a.key}, Date: a.date, Debs: debs}
	updates, security := release, release
	updates.Codename, updates.Debs = "bookworm-updates", nil
	security.Codename, security.Debs = "bookworm-security", nil
	a.server.Set(debtest.Tree{}.Add("debian", release.Tree(t)).Add("debian", updates.Tree(t)).Add("debian-security", security.Tree(t)))
}

// cmdVendor serves the repository of a vendor in the same way: $VENDOR is its URL, its
// suite "stable" has the component "main", and its key is vendor.asc and
// $VENDOR/key.asc, with the fingerprint $FINGERPRINT. A second call replaces what is
// served, signed by another key.
//
//	vendor packages.txt
func cmdVendor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: vendor file")
	}
	t := ts.Value("t").(testing.TB)
	a := ts.Value("archive").(*archive)
	if a.vendor == nil {
		a.vendor = debtest.Serve(t, nil)
		ts.Setenv("VENDOR", a.vendor.URL)
	}
	key := debtest.NewKey(t, 0)
	suite := debtest.Archive{Keys: []*debtest.Key{key}, Codename: "stable", Suite: "stable", Date: time.Now().Add(-time.Hour), Debs: readDebs(ts, args[0])}
	tree := suite.Tree(t)
	tree["key.asc"] = key.Public(t)
	a.vendor.Set(tree)
	ts.Setenv("FINGERPRINT", key.Fingerprint())
	ts.Check(os.WriteFile(ts.MkAbs("vendor.asc"), key.Public(t), 0o644))
}

// cmdNVIDIA serves a repository with the layout of NVIDIA's, with CUDA 12.8 for amd64:
// $NVIDIA is its URL, and nvidia.asc its key.
func cmdNVIDIA(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: nvidia")
	}
	t := ts.Value("t").(testing.TB)
	key := debtest.NewKey(t, 0)
	tree := debtest.NVIDIA(t, key, time.Now().Add(-time.Hour), "x86_64", debtest.CUDA("12.8")...)
	ts.Setenv("NVIDIA", debtest.Serve(t, debtest.Tree{}.Add("debian12/x86_64", tree)).URL+"/debian12/x86_64")
	ts.Check(os.WriteFile(ts.MkAbs("nvidia.asc"), key.Public(t), 0o644))
}

func readDebs(ts *testscript.TestScript, file string) []debtest.Deb {
	var debs []debtest.Deb
	for line := range strings.Lines(ts.ReadFile(file)) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 4)
		if len(words) < 3 {
			continue
		}
		d := debtest.Deb{Name: words[0], Version: words[1], Arch: words[2], Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/bin/"+words[0], words[1])}}
		if len(words) > 3 {
			d.Depends = words[3]
		}
		debs = append(debs, d)
	}
	return debs
}
