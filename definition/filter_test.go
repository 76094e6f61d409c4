package definition_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/definition"
)

// What a filter leaves out of a folder does not come into an image. The names are those
// that nixpkgs' own library takes and leaves out.
func TestFiltersOfSources(t *testing.T) {
	files := []string{
		".a.swp", ".env", ".git/config", "a.swp", "docs/x.md", "docs/y.py~", "empty/", "lib.so", "main.py",
		"src/a.py", "src/b.txt", "src/deep/c.py", "src/deep/er/d.o",
	}
	for _, c := range []struct {
		copied string
		want   string // what is left of files, or the error
	}{
		{`./.`, strings.Join(files, " ")},
		{`(lib.cleanSource ./.)`, ".env a.swp docs/x.md empty/ main.py src/a.py src/b.txt src/deep/c.py"},
		{`(lib.sourceFilesBySuffices ./. [ ".py" ])`, "empty/ main.py src/a.py src/deep/c.py"},
		{`(lib.sourceByRegex ./. [ "src" "src/.*py" ])`, "src/a.py"},
		{`(lib.cleanSourceWith { src = lib.cleanSource ./.; filter = p: t: t == "directory" || lib.hasSuffix ".py" p; })`, "empty/ main.py src/a.py src/deep/c.py"},
		{`(builtins.path { path = ./.; name = "x"; filter = p: t: baseNameOf p != ".env" && t == "regular"; })`, ".a.swp a.swp lib.so main.py"},
		{`(builtins.filterSource (p: t: t != "directory") ./src)`, "a.py b.txt"},
		{`(lib.fileset.toSource { root = ./.; fileset = ./src; })`, "src/a.py src/b.txt src/deep/c.py src/deep/er/d.o"},
		{`(lib.fileset.toSource { root = ./.; fileset = lib.fileset.unions [ ./main.py ./docs (lib.fileset.maybeMissing ./none) ]; })`, "docs/x.md docs/y.py~ main.py"},
		{`(lib.fileset.toSource { root = ./src; fileset = lib.fileset.difference ./src ./src/deep; })`, "a.py b.txt"},
		{`(lib.fileset.toSource { root = ./.; fileset = lib.fileset.intersection ./src (lib.fileset.fileFilter (f: f.hasExt "py") ./.); })`, "src/a.py src/deep/c.py"},
		{`(lib.fileset.toSource { root = ./.; fileset = lib.fileset.fromSource (lib.cleanSource ./docs); })`, "docs/x.md"},
		{`(lib.sourceFilesBySuffices ./linked [ ".py" ])`, "a.py deep/c.py"},
		// A part of a filtered folder, and what is no part of it.
		{`"${lib.sourceFilesBySuffices ./. [ ".py" ]}/src"`, "a.py deep/c.py"},
		{`"${lib.cleanSource ./.}/.git"`, "is left out by a filter"},
		{`"${lib.fileset.toSource { root = ./.; fileset = ./src; }}/docs"`, "is left out by a filter"},
		{`(lib.fileset.toSource { root = ./src; fileset = ./docs; })`, "files outside root"},
		{`(lib.fileset.toSource { root = ./.; fileset = "src"; })`, "must be a path or a file set"},
		{`(lib.fileset.toSource { root = ./.; fileset = ./none; })`, "does not exist"},
		{`(lib.fileset.toSource { root = ./.; fileset = lib.fileset.gitTracked ./.; })`, "not supported: lib.fileset.gitTracked"},
		{`(builtins.unsafeDiscardStringContext "${lib.cleanSource ./.}")`, "has lost that filter"},
		{`(builtins.head (builtins.match "(.*)/" "${lib.cleanSource ./.}/src/"))`, "has lost that filter"},
		{`(builtins.head (builtins.match "(.*)/" "${lib.cleanSource ./.}/docs/"))`, "has lost that filter"},
		{`(builtins.unsafeDiscardStringContext "${lib.sourceByRegex ./. [ ".*" ]}")`, strings.Join(files, " ")},
		{`(lib.cleanSourceWith { src = ./.; filter = p: t: 1; })`, "expected a Boolean but found an integer"},
	} {
		dir := filepath.Join(t.TempDir(), "app")
		for _, name := range files {
			file := filepath.Join(dir, name)
			folder := filepath.Dir(file)
			if strings.HasSuffix(name, "/") {
				folder = file
			}
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			if folder != file {
				if err := os.WriteFile(file, nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		if strings.Contains(c.copied, "linked") {
			if err := os.Symlink("src", filepath.Join(dir, "linked")); err != nil {
				t.Fatal(err)
			}
		}
		// Beside the folder, so that it is no file of it.
		text := "{ lib, ... }:\n{\n  copyToRoot = [ " + strings.ReplaceAll(c.copied, "./", "./app/") + " ];\n}\n"
		file := filepath.Join(filepath.Dir(dir), "nix2gpu.nix")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := definition.Load(t.Context(), definition.ParseRef(file), definition.Options{Dir: filepath.Dir(dir), System: "x86_64-linux"})
		var wrong definition.Errors
		if errors.As(err, &wrong) {
			if len(wrong) != 1 || !strings.Contains(wrong[0].Msg, c.want) || !strings.Contains(wrong[0].Pos.String(), "nix2gpu.nix:3") {
				t.Errorf("%s: got\n%swant an error in line 3: %s", c.copied, wrong.Report(), c.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		source := r.Project.Container.CopyToRoot[0]
		root := filepath.Join(filepath.Dir(dir), *source[0].Root)
		var left []string
		root, err = filepath.EvalSymlinks(root)
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || path == root {
				return err
			}
			name, _ := filepath.Rel(root, path)
			switch entries, _ := os.ReadDir(path); {
			case slices.Contains(source[0].Without, name) && d.IsDir():
				return filepath.SkipDir
			case slices.Contains(source[0].Without, name):
			case !d.IsDir():
				left = append(left, name)
			case len(entries) == 0:
				left = append(left, name+"/")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(left, " "); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.copied, got, c.want)
		}
	}
}

// What a filter leaves out is not there for the definition either.
func TestFilteredSourcesAreRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"app/port": "80", "app/.env": "x", "app/sub/port": "81", "app/sub/.env": "y"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ expr, want string }{
		{`toString (builtins.attrNames (builtins.readDir src))`, "port sub"},
		{`toString (builtins.attrNames (builtins.readDir "${src}/sub"))`, "port"},
		{`builtins.readFile "${src}/port" + builtins.readFile (src + "/sub/port")`, "8081"},
		{`builtins.toJSON (map builtins.pathExists [ "${src}/port" "${src}/.env" "${src}/sub/.env" "${src}/none" ])`, "[true,false,false,false]"},
		{`builtins.readFile "${src}/sub/.env"`, "cannot read app/sub/.env: a filter leaves it out of its source"},
		// A source of a source has the filters of both.
		{`toString (builtins.attrNames (builtins.readDir (builtins.path { path = src; filter = p: t: baseNameOf p != "sub"; })))`, "port"},
		{`toString (builtins.attrNames (builtins.readDir (builtins.path { path = "${src}"; name = "x"; })))`, "port sub"},
		{`toString (builtins.attrNames (builtins.readDir (builtins.filterSource (p: t: t == "directory") "${src}/sub")))`, ""},
	} {
		text := "let src = builtins.path { path = ./app; filter = p: t: baseNameOf p != \".env\"; }; in\n{\n  labels.got = " + c.expr + ";\n}\n"
		file := filepath.Join(dir, "nix2gpu.nix")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := definition.Load(t.Context(), definition.ParseRef(file), definition.Options{Dir: dir, System: "x86_64-linux"})
		var wrong definition.Errors
		switch {
		case errors.As(err, &wrong):
			if len(wrong) != 1 || wrong[0].Msg != c.want {
				t.Errorf("%s: got\n%swant %s", c.expr, wrong.Report(), c.want)
			}
		case err != nil:
			t.Fatal(err)
		case r.Project.Container.Labels["got"] != c.want:
			t.Errorf("%s: got %q, want %q", c.expr, r.Project.Container.Labels["got"], c.want)
		}
	}
}
