package catalog_test

import (
	"encoding/json"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
)

func TestText(t *testing.T) {
	place := catalog.Place{Root: "/home/me/app"}
	for _, c := range []struct {
		s, want string
		context []string
	}{
		{s: "", want: `""`},
		{s: "plain", want: `"plain"`},
		{s: "/nix2gpu/packages/python3/bin/python /workspace/server.py", context: []string{"package:python3"},
			want: `[{"package":"python3","sub":"/bin/python"}," ",{"root":"/server.py"}]`},
		{s: "/nix2gpu/packages/python3Packages.numpy:/nix2gpu/packages/python3", context: []string{"package:python3", "package:python3Packages.numpy"},
			want: `[{"package":"python3Packages.numpy"},":",{"package":"python3"}]`},
		{s: "/nix2gpu/packages/python3", want: `"/nix2gpu/packages/python3"`}, // no context: just characters
		{s: "run /nix2gpu/files/ab-x.conf;", context: []string{"file:ab-x.conf"}, want: `["run ",{"file":"ab-x.conf"},";"]`},
		{s: "/home/me/app/sub/x.sh -v", context: []string{"source:/home/me/app/sub/x.sh"}, want: `[{"root":"/sub/x.sh"}," -v"]`},
		{s: "/home/me/other/x", context: []string{"source:/home/me/other/x"}, want: `[{"root":"/../other/x"}]`},
		{s: "cd /workspace; ls", want: `["cd ",{"root":""},"; ls"]`},
		{s: "--dir=/workspace/a:/workspaces:/x/workspace", want: `["--dir=",{"root":"/a"},":/workspaces:/x/workspace"]`},
		{s: "/workspace/azAZ09._-+@%é:/workspace/a`{[ /workspace/b[c", want: `[{"root":"/azAZ09._-+@%é"},":",{"root":"/a"},"` + "`" + `{[ ",{"root":"/b"},"[c"]`},
		{s: "/home/me/app/data", want: `[{"root":"/data"}]`},
		{s: "http://host/workspace", want: `"http://host/workspace"`},
	} {
		got, err := json.Marshal(place.Text(module.Str{S: c.s, Context: c.context}))
		if err != nil || string(got) != c.want {
			t.Errorf("Text(%q)\n got %s %v\nwant %s", c.s, got, err, c.want)
		}
	}
}

func TestPath(t *testing.T) {
	place := catalog.Place{Root: "/home/me/app", WorkingDir: "/srv"}
	for s, want := range map[string]string{
		"":             `""`,
		"./data/x":     `[{"root":"/data/x"}]`,
		"data":         `[{"root":"/data"}]`,
		".":            `[{"root":""}]`,
		"../up":        `[{"root":"/../up"}]`,
		"/srv/x":       `[{"root":"/x"}]`,
		"/srv":         `[{"root":""}]`,
		"/etc/x":       `"/etc/x"`,
		"~/x":          `"~/x"`,
		"/home/me/app": `[{"root":""}]`,
	} {
		if got, err := json.Marshal(place.Path(module.Str{S: s})); err != nil || string(got) != want {
			t.Errorf("Path(%q) = %s %v, want %s", s, got, err, want)
		}
	}
}

// A definition at the root of the file system, or nowhere, makes no path its own.
func TestTextAtTheRoot(t *testing.T) {
	for _, root := range []string{"/", ""} {
		place := catalog.Place{Root: root}
		if got, ok := place.Text(module.Str{S: "cat /etc/x /"}).Literal(); !ok || got != "cat /etc/x /" {
			t.Errorf("with root %q a path of the system became %q", root, got)
		}
		if got := place.Text(module.Str{S: "/workspace/x"}); len(got) != 1 || got[0].Root == nil || *got[0].Root != "/x" {
			t.Errorf("with root %q the working folder is %v", root, got)
		}
	}
}

// A path that a secret is linked from means the secret, also below the root;
// no longer path does.
func TestLinkOfASecretIsTheSecret(t *testing.T) {
	place := catalog.Place{Root: "/root/project", Links: map[string]string{"/root/project/token": "a", "/run/agenix/db": "b"}}
	for s, want := range map[string]string{
		"cat /root/project/token":       `["cat ",{"secretFile":"a"}]`,
		"--file=/run/agenix/db":         `["--file=",{"secretFile":"b"}]`,
		"/run/agenix/db.old":            `"/run/agenix/db.old"`,
		"/root/project/token2":          `[{"root":"/token2"}]`,
		"/run/agenix/db:/run/agenix/db": `[{"secretFile":"b"},":",{"secretFile":"b"}]`,
	} {
		if got, err := json.Marshal(place.Text(module.Str{S: s})); err != nil || string(got) != want {
			t.Errorf("%s: got %s (%v), want %s", s, got, err, want)
		}
	}
}
