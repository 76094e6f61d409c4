package main

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"nix2gpu/definition"
	"nix2gpu/image/inspect"
	"nix2gpu/image/source"
	"nix2gpu/internal/debtest"
	"nix2gpu/internal/testkit"
	"nix2gpu/internal/wheeltest"
)

const imageOptionsPage = "docs/reference/image.md"

const imageOptionsIntro = `# Options in the image

This page is made from images. For each option of a container, two are built: of a
definition, and of the same with the example. The last column is what differs between
the two, as ` + "`nix2gpu image diff`" + ` sees it; of the project, ` + "`/etc/nix2gpu/project.json`" + `, it
names the parts that differ. What each option takes is in [the list of options](options.md).

| option | example | what it does in the image | what differs |
|---|---|---|---|
`

// TestImageOptions checks the effect of each option of a container on the image, and
// that only those options have none that say so.
func TestImageOptions(t *testing.T) {
	s := newOptionStand(t)
	shown := map[string]bool{}
	var page strings.Builder
	page.WriteString(imageOptionsIntro)
	for _, row := range imageOptions() {
		diff, said := s.difference(row)
		if diff == "" && row.without == "" {
			t.Errorf("%s: it has no effect in the image", row.example)
		}
		if diff != "" && row.without != "" {
			t.Errorf("%s: it should have no effect in the image, and changes %s", row.example, diff)
		}
		if row.without != "" && row.without != "-" && !strings.Contains(said, row.without) {
			t.Errorf("%s: build says\n%s\nwant %s", row.example, said, row.without)
		}
		var names []string
		for _, o := range row.options {
			names = append(names, "`"+o+"`")
			shown[o] = true
		}
		if diff == "" {
			diff = "nothing"
		}
		fmt.Fprintf(&page, "| %s | `%s` | %s | %s |\n", strings.Join(names, ", "), row.example, row.doc, diff)
	}
	for _, o := range definition.Reference()[0].Options {
		path := o.String()
		known := o.AliasOf != "" || shown[path]
		for _, row := range imageOptions() { // an example may set all options of a source
			leaf := path[strings.LastIndexByte(path, '.')+1:]
			known = known || slices.ContainsFunc(row.options, func(above string) bool { return strings.HasPrefix(path, above+".<name>.") }) && strings.Contains(row.example+row.with, leaf)
		}
		if !known {
			t.Errorf("%s: no line of the table shows what it does in an image", path)
		}
	}
	testkit.Golden(t, filepath.Join(testkit.Root(), imageOptionsPage), []byte(page.String()))
}

// An imageOption is a line of the table.
type imageOption struct {
	options []string
	example string // which only one of the images has
	with    string // which both images have
	doc     string
	without string // what build says of an option without an effect of its own, or "-"
}

// An optionStand is a stand with what the definitions of examples need.
type optionStand struct {
	*stand
	reader  inspect.Reader
	replace *strings.Replacer // replaces names in examples by their values here
	env     []string
	built   map[string]v1.Image // by definition
	said    map[string]string
	names   map[string]string
}

func newOptionStand(t *testing.T) *optionStand {
	s := &optionStand{
		stand:  newStand(t, debtest.Deb{Name: "paper", Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/bin/paper", ""), debtest.File("usr/share/man/man1/paper.1", "")}}, debtest.Deb{Name: "git"}, debtest.Deb{Name: "libc6", Version: "2.36-9+deb12u10"}, python()),
		reader: inspect.Reader{Files: true}, built: map[string]v1.Image{}, said: map[string]string{}, names: map[string]string{},
	}
	key, vendor := debtest.NewKey(t, 0), debtest.Tree{}
	date := time.Now().Add(-time.Hour)
	vendor.Add("apt", debtest.Archive{Keys: []*debtest.Key{key}, Codename: "stable", Suite: "stable", Date: date, Debs: []debtest.Deb{
		{Name: "acme-tool", Arch: "amd64", Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/bin/acme", "")}},
		{Name: "tailscale", Arch: "amd64", Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/sbin/tailscaled", ""), debtest.Exec("usr/bin/tailscale", "")}},
	}}.Tree(t))
	vendor.Add("cuda", debtest.NVIDIA(t, key, date, "x86_64", append(debtest.CUDA("12.8"), debtest.CUDA("12.4")...)...))
	deno := debtest.Zip(t, []debtest.Entry{debtest.Exec("deno", "deno")})
	vendor["deno.zip"] = deno
	server := debtest.Serve(t, vendor)
	app := wheeltest.Wheel{Name: "app", Version: "1.0", Tag: "py3-none-any", Files: map[string]string{"app.py": ""}}
	index := wheeltest.Serve(t, wheeltest.Of(t, app))
	s.env = []string{"PIP_INDEX_URL=" + index.URL}
	registry := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(registry.Close)
	s.replace = strings.NewReplacer(
		"https://apt.example.org", server.URL+"/apt", "https://cuda.example.org", server.URL+"/cuda", "https://example.org", server.URL,
		"registry.example.org/debian:12@sha256:…", s.base(strings.TrimPrefix(registry.URL, "http://")), "sha256-…", wheeltest.SHA256(deno), "7A2F…", key.Fingerprint(),
	)
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var sealed strings.Builder
	w, err := age.Encrypt(&sealed, identity.Recipient())
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"base.nix":           `{ pkgs, ... }: { systemPackages = [ pkgs.tool pkgs.paper ]; services.custom.app = { enable = true; command = "tool"; }; }`,
		"nix2gpu.nix":        `{ perSystem.nix2gpu.web = { ... }: { imports = [ ./base.nix ./with.nix ./example.nix ]; }; }`,
		"vendor.asc":         string(key.Public(t)),
		"hf.age":             sealed.String(),
		"rootfs/etc/app.ini": "a = 1\n",
		"requirements.txt":   "app==1.0 --hash=sha256:" + wheeltest.SHA256(app.Bytes(t)) + "\n",
		"echo.nix": `{ lib, name, ... }: { options.port = lib.mkOption { type = lib.types.port; default = 7; }; ` +
			`config.outputs.settings.processes.${name}.command = "tool"; }`,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// python returns the package that wheels are installed beside.
func python() debtest.Deb {
	return debtest.Deb{Name: "python3", Version: "3.11.2-1+b1", Depends: "libc6", Compression: "gz", Entries: []debtest.Entry{debtest.Exec("usr/bin/python3", "")}}
}

// base pushes an image of Debian with everything that an image needs, and returns its
// reference.
func (s *optionStand) base(host string) string {
	s.t.Helper()
	status := ""
	for _, p := range append(strings.Fields(everyImage), "tool", "paper") {
		status += "Package: " + p + "\nStatus: install ok installed\nArchitecture: all\nVersion: 1.0\nMaintainer: Nobody <nobody@example.org>\nDescription: of the base\n\n"
	}
	img := testkit.Image(s.t, "amd64", v1.Config{}, testkit.Layer(s.t, map[string]string{
		"bin -> usr/bin": "", "sbin -> usr/sbin": "", "lib -> usr/lib": "", "usr/bin/sh -> dash": "", "usr/bin/dash": "", "usr/bin/bash": "", "usr/bin/tool": "", "usr/bin/paper": "",
		"usr/sbin/": "", "usr/lib/": "", "tmp/": "", "root/": "", "var/lib/dpkg/status": status,
		"etc/os-release": "ID=debian\nVERSION_CODENAME=bookworm\nVERSION_ID=\"12\"\n", "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n", "etc/group": "root:x:0:\nshadow:x:42:\n", "etc/shadow": "root:*:19000:0:99999:7:::\n",
	}))
	ref, err := name.ParseReference(host+"/debian:12", name.Insecure)
	if err == nil {
		err = remote.Write(ref, img)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%s/debian:12@%s", host, digest)
}

// difference returns what an example changes in the image, and what build printed about
// it.
func (s *optionStand) difference(row imageOption) (differs, said string) {
	s.t.Helper()
	before, _, nameBefore := s.image(row.with, "")
	after, said, nameAfter := s.image(row.with, row.example)
	a, b := s.facts(before), s.facts(after)
	d := inspect.Diff(a, b)
	var parts []string
	list := func(what string, names []string) {
		if len(names) > 4 {
			names = append(names[:3], fmt.Sprintf("%d more", len(names)-3))
		}
		if len(names) > 0 {
			parts = append(parts, what+strings.Join(names, ", "))
		}
	}
	if nameBefore != nameAfter {
		list("its name: ", []string{"`" + nameAfter + "`"})
	}
	var config, notes, added, files []string
	for _, c := range d.Config {
		if note, ok := strings.CutPrefix(c.Name, "annotation "); ok {
			notes = append(notes, "`"+note+"`")
		} else {
			config = append(config, c.Name)
		}
	}
	list("configuration: ", config)
	list("annotations: ", notes)
	if len(notes) > 0 { // the image is on a base, which has everything else
		return strings.Join(parts, "; "), said
	}
	for _, p := range d.Packages {
		added = append(added, p.Name)
	}
	list("packages: ", added)
	list("project: ", s.project(before, after))
	for _, f := range d.Files {
		switch {
		case len(added) > 0: // those of packages
		case f.Path == "etc/nix2gpu/project.json", f.Path == "var/lib/dpkg/status", f.Path == "etc/ld.so.cache", strings.HasPrefix(f.Path, "opt/nix2gpu/pkgs/"):
		case f.New != nil && f.New.Kind == "dir" && f.Old == nil && hasBelow(d.Files, f.Path):
		default:
			files = append(files, "`/"+f.Path+"`")
		}
	}
	list("files: ", files)
	if len(a.Layers) != len(b.Layers) {
		list("layers: ", []string{fmt.Sprintf("%d instead of %d", len(b.Layers), len(a.Layers))})
	}
	return strings.Join(parts, "; "), said
}

func hasBelow(all []inspect.FileChange, dir string) bool {
	return slices.ContainsFunc(all, func(f inspect.FileChange) bool { return strings.HasPrefix(f.Path, dir+"/") })
}

// image builds the definition with two more modules.
func (s *optionStand) image(with, example string) (img v1.Image, said, name string) {
	s.t.Helper()
	text := with + "\n" + example
	if s.built[text] != nil {
		return s.built[text], s.said[text], s.names[text]
	}
	for file, module := range map[string]string{"with.nix": with, "example.nix": example} {
		module = "{ pkgs, ... }: { " + s.replace.Replace(module) + " }\n"
		if err := os.WriteFile(filepath.Join(s.dir, file), []byte(module), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	os.Remove(filepath.Join(s.dir, "nix2gpu.lock"))
	out := filepath.Join(s.t.TempDir(), "out")
	cmd := s.command("build", "-o", out)
	cmd.Env = append(cmd.Env, s.env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%s: %v\n%s", text, err, &stderr)
	}
	src, err := source.Open("web", out)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { src.Close() })
	v, err := src.ForPlatform("linux/amd64")
	if err != nil {
		s.t.Fatal(err)
	}
	said = strings.TrimSpace(stderr.String())
	_, name, _ = strings.Cut(said[strings.LastIndexByte(said, '\n')+1:], ": ")
	s.built[text], s.said[text], s.names[text] = v.Image, stderr.String(), name
	return v.Image, stderr.String(), name
}

func (s *optionStand) facts(img v1.Image) *inspect.Image {
	s.t.Helper()
	v, err := source.FromImage("web", img).ForPlatform("linux/amd64")
	if err != nil {
		s.t.Fatal(err)
	}
	facts, err := s.reader.Read(s.t.Context(), "web", v, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return facts
}

// project lists what differs between the projects of two images: fields of the
// container, and top-level fields.
func (s *optionStand) project(a, b v1.Image) (differ []string) {
	s.t.Helper()
	read := func(img v1.Image) map[string]any {
		var top map[string]any
		if err := json.Unmarshal(projectOf(s.t, img), &top); err != nil {
			s.t.Fatal(err)
		}
		withoutPlaces(top)
		for k, v := range top["container"].(map[string]any) {
			top["container."+k] = v
		}
		delete(top, "container")
		delete(top, "notes") // for readers only
		return top
	}
	old, now := read(a), read(b)
	for k, v := range old {
		if !reflect.DeepEqual(now[k], v) {
			differ = append(differ, k)
		}
	}
	for k := range now {
		if _, ok := old[k]; !ok {
			differ = append(differ, k)
		}
	}
	slices.Sort(differ)
	return differ
}

// withoutPlaces removes where in the definition something was set.
func withoutPlaces(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			if k == "pos" || strings.HasSuffix(k, "Pos") {
				delete(v, k)
			}
		}
		for _, sub := range v {
			withoutPlaces(sub)
		}
	case []any:
		for _, sub := range v {
			withoutPlaces(sub)
		}
	}
}

// projectOf returns the project.json of an image, which is in its last layer.
func projectOf(t *testing.T, img v1.Image) []byte {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[len(layers)-1].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for files := tar.NewReader(r); ; {
		h, err := files.Next()
		if err != nil {
			t.Fatalf("the last layer has no project: %v", err)
		}
		if path.Clean(h.Name) == "etc/nix2gpu/project.json" {
			data, err := io.ReadAll(files)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
	}
}
