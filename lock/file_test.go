package lock_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/lock"
)

// The file as people see it in version control.
func TestFileGolden(t *testing.T) {
	d := newDesk(t, "app 1\nDepends: lib (>= 1)", "lib 1 all\nSource: libs (1:1)\nProvides: v (= 1)", "tool 1").want("app", "v")
	d.wantIn("other", "tool")
	d.opts.Arches = []string{"amd64", "arm64"}
	d.ensure()
	data, err := os.ReadFile(d.opts.File)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/"+lock.Name, data)
	if strings.Contains(string(data), "://") {
		t.Errorf("the lock names a host:\n%s", data)
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, err := os.ReadFile("testdata/" + lock.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ old, new, want string }{
		{`"version": 1`, `"version": 2`, "its version is 2, and this nix2gpu reads version 1"},
		{`"suite": "bookworm",`, `"suite": "bookworm", "host": "x",`, `not a lock file: json: unknown field "host"`},
		{`"suite": "bookworm"`, `"suite": ""`, "it names no suite"},
		{"{", "[", "not a lock file: "},
		{`"path":"pool/app_1.deb"`, `"path":"../app_1.deb"`, `package "app" of amd64: "../app_1.deb" is not a path below an archive's root`},
		{`"name":"app"`, `"name":"../x"`, `package "../x" of amd64: "../x" is not the name of a package`},
		{`"name":"app"`, `"name":"zzz"`, `package "lib" of amd64: it must come after "zzz": the list is sorted, each name once`},
		{`"version":"1"`, `"version":"x"`, `package "app" of amd64: version "x" must begin with a digit`},
		{`"arch":"amd64"`, `"arch":"arm64"`, `package "app" of amd64: it is for "arm64"`},
		{`"archive":"debian","path"`, `"archive":"","path"`, `package "app" of amd64: it needs archive, size and SHA-256`},
		{`"needs":["lib"]`, `"needs":["libs"]`, `package "app" of amd64: it needs "libs", which is missing`},
		{`"packages":["tool"]`, `"packages":["tools"]`, `container "other" has package "tools", which is missing for amd64`},
		{`"wants":{"tool":"tool"}`, `"wants":{"tool":"app"}`, `container "other" wants "tool", and has no "app" for amd64`},
	} {
		_, err := lock.Decode([]byte(strings.Replace(string(good), test.old, test.new, 1)))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %s", test.new, err, test.want)
		}
	}
	if _, err := lock.Decode(append(good, "{}"...)); err == nil {
		t.Error("more behind the end is accepted")
	}
}

func TestReadSaysWhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), lock.Name)
	if f, err := lock.Read(file); f != nil || err != nil {
		t.Errorf("no file: %v, %v", f, err)
	}
	if err := os.WriteFile(file, []byte("<<<<<<< HEAD"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := lock.Read(file)
	if err == nil || !strings.HasPrefix(err.Error(), file+": not a lock file: ") || !strings.Contains(err.Error(), "hint: take it back from version control") {
		t.Errorf("got %v", err)
	}
}

// FuzzDecode wants of any text an error, or a file that is written as it was read.
func FuzzDecode(f *testing.F) {
	good, err := os.ReadFile("testdata/" + lock.Name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"suite":"x","packages":{"amd64":[]},"containers":{"a":{"amd64":{"wants":null,"packages":null}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := lock.Decode(data)
		if err != nil {
			return
		}
		text := first.Encode()
		again, err := lock.Decode(text)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", data, text, err)
		}
		if string(again.Encode()) != string(text) {
			t.Errorf("%q is written in two ways:\n%s\n%s", data, text, again.Encode())
		}
	})
}
