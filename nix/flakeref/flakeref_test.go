package flakeref_test

import (
	"encoding/json"
	"strings"
	"testing"

	"nix2gpu/nix/flakeref"
)

// The attributes and the URL of each form.
func TestParse(t *testing.T) {
	const rev = "b12a02d0bd1d7d2c5e9d1ed9fd9bb9a31b0ddcb1"
	for _, c := range []struct{ text, attrs, url string }{
		{"nixpkgs", `{"id":"nixpkgs","type":"indirect"}`, "flake:nixpkgs"},
		{"flake:nixpkgs/nixos-25.05", `{"id":"nixpkgs","ref":"nixos-25.05","type":"indirect"}`, "flake:nixpkgs/nixos-25.05"},
		{"nixpkgs/" + rev, `{"id":"nixpkgs","rev":"` + rev + `","type":"indirect"}`, "flake:nixpkgs/" + rev},
		{"nixpkgs/main/" + rev, `{"id":"nixpkgs","ref":"main","rev":"` + rev + `","type":"indirect"}`, "flake:nixpkgs/main/" + rev},
		{"github:NixOS/nixpkgs", `{"owner":"NixOS","repo":"nixpkgs","type":"github"}`, "github:NixOS/nixpkgs"},
		{"github:NixOS/nixpkgs/23.05?dir=lib", `{"dir":"lib","owner":"NixOS","ref":"23.05","repo":"nixpkgs","type":"github"}`, "github:NixOS/nixpkgs/23.05?dir=lib"},
		{"github:a/b/feature/x", `{"owner":"a","ref":"feature/x","repo":"b","type":"github"}`, "github:a/b/feature/x"},
		{"github:a/b?ref=x&host=git.example.org", `{"host":"git.example.org","owner":"a","ref":"x","repo":"b","type":"github"}`, "github:a/b/x?host=git.example.org"},
		{"gitlab:group%2Fsub/b/" + rev, `{"owner":"group/sub","repo":"b","rev":"` + rev + `","type":"gitlab"}`, "gitlab:group%2Fsub/b/" + rev},
		{"sourcehut:~misterio/nix-colors", `{"owner":"~misterio","repo":"nix-colors","type":"sourcehut"}`, "sourcehut:~misterio/nix-colors"},
		{"path:./sub", `{"path":"./sub","type":"path"}`, "path:./sub"},
		{"./sub", `{"path":"./sub","type":"path"}`, "path:./sub"},
		{"/a b?dir=c", `{"dir":"c","path":"/a b","type":"path"}`, "path:/a%20b?dir=c"},
		{"path:///abs?lastModified=12&narHash=sha256-a%2Bb/c%3D", `{"lastModified":12,"narHash":"sha256-a+b/c=","path":"/abs","type":"path"}`, "path:/abs?lastModified=12&narHash=sha256-a%2Bb/c%3D"},
		{"git+https://example.org/my/repo?dir=flake1&ref=main&shallow=1", `{"dir":"flake1","ref":"main","shallow":true,"type":"git","url":"https://example.org/my/repo"}`, "git+https://example.org/my/repo?dir=flake1&ref=main&shallow=1"},
		{"git+file:///home/me/x", `{"type":"git","url":"file:///home/me/x"}`, "git+file:///home/me/x"},
		{"git://example.org/x?token=1", `{"type":"git","url":"git://example.org/x?token=1"}`, "git://example.org/x?token=1"},
		{"https://example.org/x.tar.gz", `{"type":"tarball","url":"https://example.org/x.tar.gz"}`, "https://example.org/x.tar.gz"},
		{"tarball+https://example.org/x?a=b", `{"type":"tarball","url":"https://example.org/x?a=b"}`, "tarball+https://example.org/x?a=b"},
		{"file+https://example.org/x", `{"type":"file","url":"https://example.org/x"}`, "file+https://example.org/x"},
	} {
		r, err := flakeref.Parse(c.text)
		if err != nil {
			t.Error(err)
			continue
		}
		attrs, err := json.Marshal(r)
		if err != nil || string(attrs) != c.attrs {
			t.Errorf("%s is %s, want %s (%v)", c.text, attrs, c.attrs, err)
		}
		if got := r.String(); got != c.url {
			t.Errorf("%s prints as %s, want %s", c.text, got, c.url)
		}
		var back flakeref.Ref
		if err := json.Unmarshal(attrs, &back); err != nil || !back.Equal(r) {
			t.Errorf("%s comes back as %v: %v", attrs, back, err)
		}
		if again, err := flakeref.Parse(r.String()); err != nil || !again.Equal(r) {
			t.Errorf("%s comes back as %v: %v", r, again, err)
		}
	}
	for text, want := range map[string]string{ // of what need not be a flake
		"https://example.org/x.txt?a=b":    "file+https://example.org/x.txt?a=b",
		"file:///x":                        "file+file:///x",
		"https://example.org/x.tar.gz?a=b": "https://example.org/x.tar.gz?a=b",
		"tarball+https://example.org/x":    "tarball+https://example.org/x",
		"github:a/b":                       "github:a/b",
	} {
		if r, err := flakeref.ParsePlain(text); err != nil || r.String() != want {
			t.Errorf("%s is %v, want %s (%v)", text, r, want, err)
		}
	}
	for text, want := range map[string]string{
		"":                             "the path is empty",
		"ftp://x/y":                    `"ftp" must be flake, path, git`,
		"github:a":                     "a repository is github:OWNER/NAME",
		"github:a/b/c?rev=" + rev:      "names two commits",
		"github:a/b/c?rev=12":          "names two commits",
		"github:a/b?rev=12":            "rev must be 40 hexadecimal digits",
		"github:a/b/-x":                "must be a branch, a tag or a commit",
		"github:a/b?x=y":               `unknown parameter "x"`,
		"path:/a?lastModified=x":       "lastModified must be a number",
		"path://host/a":                "a path has no host",
		"nixpkgs/a/b/c":                "NAME/BRANCH/COMMIT",
		"git+ftp://x/y":                "git+file, git+http",
		"tarball+git://x/y":            "file, http or https",
		"github:a/b#packages":          `must end before "#packages"`,
		"path:/%zz":                    "invalid URL escape",
		"git+https://x/y?rev=%zz&a=%z": "invalid URL escape",
	} {
		if r, err := flakeref.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s", text, r, err, want)
		}
	}
	var r flakeref.Ref
	if err := json.Unmarshal([]byte(`{"type": [1]}`), &r); err == nil {
		t.Errorf("a list is taken: %v", r)
	}
}

// What is printed is read as the same again.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"nixpkgs", "github:a/b/c?dir=d", "path:./x?narHash=sha256-a", "git+ssh://git@x/y?ref=z", "https://x/y.zip"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := flakeref.Parse(text)
		if err != nil {
			return
		}
		again, err := flakeref.Parse(r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%q is %v, and %q of that is %v (%v)", text, map[string]any(r), r.String(), map[string]any(again), err)
		}
	})
}
