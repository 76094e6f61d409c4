package compose_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"nix2gpu/compose"
	"nix2gpu/internal/testkit"
)

// TestLoad reads each testdata/*.txtar: its files are loaded, and what comes
// of them stands in the same archive. The comment lists the files to load and
// the environment.
func TestLoad(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := loaded(archive)
			want := archive
			if testkit.Updating() {
				keep := []txtar.File{}
				for _, f := range archive.Files {
					if !strings.HasPrefix(f.Name, "want/") {
						keep = append(keep, f)
					}
				}
				want = &txtar.Archive{Comment: archive.Comment, Files: append(keep, got...)}
				if err := os.WriteFile(path, txtar.Format(want), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, g := range got {
				if w := find(want, g.Name); string(w) != string(g.Data) {
					t.Errorf("%s: got\n%s\nwant\n%s(if meant: go test -update)", g.Name, g.Data, w)
				}
			}
		})
	}
}

func find(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// loaded loads what the comment of the archive names, and returns the result
// as files: the errors with excerpts, or the notes and the project, as JSON
// and encoded anew.
func loaded(a *txtar.Archive) []txtar.File {
	opts := compose.Options{Dir: "/home/me/shop", ReadFile: func(name string) ([]byte, error) {
		if data := find(a, name); data != nil {
			return data, nil
		}
		return nil, fs.ErrNotExist
	}}
	var files []string
	for _, line := range strings.Split(string(a.Comment), "\n") {
		switch verb, rest, _ := strings.Cut(line, " "); verb {
		case "load":
			files = strings.Fields(rest)
		case "env":
			opts.Environ = append(opts.Environ, rest)
		}
	}
	p, err := compose.Load(opts, files...)
	var errs compose.Errors
	if errors.As(err, &errs) {
		var b strings.Builder
		for _, e := range errs {
			fmt.Fprintf(&b, "%v\n    %s\n", e, e.Line)
			if e.Hint != "" {
				fmt.Fprintf(&b, "hint: %s\n", e.Hint)
			}
		}
		return []txtar.File{{Name: "want/errors", Data: []byte(b.String())}}
	}
	var notes strings.Builder
	for _, n := range p.Notes {
		fmt.Fprintf(&notes, "%s:%d:%d: %s\n", n.Pos.File, n.Pos.Line, n.Pos.Col, n.Text)
	}
	p.Notes = nil
	json, err := p.Encode()
	if err != nil {
		json = []byte(err.Error())
	}
	yaml, err := compose.Encode(p, compose.EncodeOptions{})
	if err != nil {
		yaml = []byte(err.Error())
	}
	out := []txtar.File{{Name: "want/project.json", Data: json}, {Name: "want/encoded.yaml", Data: yaml}}
	if notes.Len() > 0 {
		out = append(out, txtar.File{Name: "want/notes", Data: []byte(notes.String())})
	}
	return out
}

// FuzzLoad holds that no text makes the reader panic or hang, and that what
// it encodes can be read again and encodes to the same.
func FuzzLoad(f *testing.F) {
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, path := range archives {
		if a, err := txtar.ParseFile(path); err == nil {
			for _, file := range a.Files {
				if strings.HasSuffix(file.Name, ".yaml") {
					f.Add(string(file.Data))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		first, ok := reencode(src)
		if !ok {
			return
		}
		second, ok := reencode(first)
		if !ok { // an encoding is a valid file
			t.Fatalf("cannot read the encoding\n%s", first)
		}
		// What only x-nix2gpu can say is lost once, and no more after that.
		if third, ok := reencode(second); !ok || third != second {
			t.Errorf("encoding\n%s\nis not stable, then\n%s", second, third)
		}
	})
}

func reencode(src string) (string, bool) {
	opts := compose.Options{Dir: "/x", NoDotEnv: true, ReadFile: func(name string) ([]byte, error) {
		if name == "fuzz.yaml" {
			return []byte(src), nil
		}
		return nil, fs.ErrNotExist
	}}
	p, err := compose.Load(opts, "fuzz.yaml")
	if err != nil {
		return "", false
	}
	data, err := compose.Encode(p, compose.EncodeOptions{})
	return string(data), err == nil
}
