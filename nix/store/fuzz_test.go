package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"nix2gpu/nix/store"
)

// FuzzNAR: what a reader finds in an archive is what was written. Each line of names is a
// file: one that ends in a slash a folder, one behind @ a link, one behind * a program.
func FuzzNAR(f *testing.F) {
	f.Add("a\nb/c\n*b/d\ne/\n@f", "text")
	f.Add("@", "to")
	f.Add("a.b\na/b\na-b\nA", "12345678")
	f.Add("x/y/z/\u00e9\nx/y/\xff", "")
	f.Fuzz(func(t *testing.T, names, text string) {
		files := fstest.MapFS{}
		for i, name := range strings.Split(names, "\n") {
			one := &fstest.MapFile{Data: []byte(text[min(i, len(text)):]), Mode: 0o644}
			switch {
			case strings.HasPrefix(name, "@"):
				one.Mode |= fs.ModeSymlink
			case strings.HasPrefix(name, "*"):
				one.Mode |= 0o111
			case strings.HasSuffix(name, "/"):
				one = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
			}
			if name = path.Join("root", path.Clean("/"+strings.Trim(name, "@*/"))); fs.ValidPath(name) && files[name] == nil {
				files[name] = one
			}
		}
		for name := range maps.Clone(files) { // nothing is below a file
			for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
				if above := files[dir]; above != nil && !above.Mode.IsDir() {
					delete(files, name)
				}
			}
		}
		want := map[string]string{}
		for name, one := range files {
			switch one.Mode.Type() {
			case fs.ModeDir:
				want[name] = "directory"
			case fs.ModeSymlink:
				want[name] = "symlink " + string(one.Data)
			default:
				want[name] = fmt.Sprintf("regular %t %s", one.Mode&0o100 != 0, one.Data)
			}
			for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
				want[dir] = "directory"
			}
		}
		if len(want) == 0 {
			return
		}
		var out bytes.Buffer
		if err := store.WriteNAR(&out, files, "root", nil); err != nil {
			t.Fatal(err)
		}
		r := narReader{rest: out.Bytes(), found: map[string]string{}}
		r.want("nix-archive-1")
		r.node("root")
		if r.err != nil || len(r.rest) > 0 || !maps.Equal(r.found, want) {
			t.Errorf("%q is read as %q, with %d bytes left, %v", want, r.found, len(r.rest), r.err)
		}
	})
}

// A narReader reads an archive strictly.
type narReader struct {
	rest  []byte
	found map[string]string
	err   error
}

func (r *narReader) text() string {
	if r.err == nil && len(r.rest) < 8 {
		r.err = errors.New("it ends too early")
	}
	if r.err != nil {
		return ""
	}
	n := int(binary.LittleEndian.Uint64(r.rest))
	padded := (n + 7) / 8 * 8
	r.rest = r.rest[8:]
	if n < 0 || len(r.rest) < padded || bytes.Count(r.rest[n:padded], []byte{0}) != padded-n {
		r.err = fmt.Errorf("a text of %d bytes", n)
		return ""
	}
	text := string(r.rest[:n])
	r.rest = r.rest[padded:]
	return text
}

func (r *narReader) want(texts ...string) {
	for _, want := range texts {
		if got := r.text(); got != want && r.err == nil {
			r.err = fmt.Errorf("%q instead of %q", got, want)
		}
	}
}

func (r *narReader) node(name string) {
	r.want("(", "type")
	switch kind := r.text(); kind {
	case "symlink":
		r.want("target")
		r.found[name] = "symlink " + r.text()
		r.want(")")
	case "regular":
		executable, next := false, r.text()
		if next == "executable" {
			executable = true
			r.want("")
			next = r.text()
		}
		if next != "contents" && r.err == nil {
			r.err = fmt.Errorf("%q instead of contents", next)
		}
		r.found[name] = fmt.Sprintf("regular %t %s", executable, r.text())
		r.want(")")
	case "directory":
		r.found[name] = "directory"
		for last := ""; r.err == nil; {
			next := r.text()
			if next == ")" {
				return
			}
			if next != "entry" {
				r.err = fmt.Errorf("%q instead of an entry", next)
			}
			r.want("(", "name")
			entry := r.text()
			if entry <= last || strings.Contains(entry, "/") {
				r.err = fmt.Errorf("%q follows %q", entry, last)
			}
			last = entry
			r.want("node")
			r.node(path.Join(name, entry))
			r.want(")")
		}
	default:
		r.err = fmt.Errorf("the type %q", kind)
	}
}

// FuzzDerivation: the file of a derivation has each of its texts, and nothing else.
func FuzzDerivation(f *testing.F) {
	f.Add("hello", "/bin/sh", "-c\necho \"$out\"\t\\n", "a=b\nname=hello", "sha256")
	f.Add("x", "builtin:fetchurl", "", "out=/z\nq=\"],[(\"", "")
	f.Add("", "\"", "\r", "=\n\\=\\", "")
	f.Fuzz(func(t *testing.T, name, builder, args, env, kind string) {
		d := &store.Derivation{Name: name, Platform: "x86_64-linux", Builder: builder, Args: strings.Split(args, "\n"),
			Outputs: map[string]store.Output{"out": {}}, Env: map[string]string{}}
		for _, line := range strings.Split(env, "\n") {
			key, value, _ := strings.Cut(line, "=")
			d.Env[key] = value
		}
		if kind != "" {
			hash, err := store.ParseHash(kind, strings.Repeat("0", 64))
			if err != nil {
				return
			}
			d.Outputs["out"] = store.Output{Kind: hash.Kind, Hash: hash.Sum, Method: store.Flat}
		}
		var all store.Derivations
		first, err := all.Add(d)
		if err != nil {
			return
		}
		second := &store.Derivation{Name: "user", Platform: "p", Builder: builder, Inputs: map[string][]string{first: {"out"}}, Sources: []string{first, "/s"},
			Outputs: map[string]store.Output{"out": {}, "dev": {}}, Env: map[string]string{"of": all.PathOf(first, "out")}}
		if _, err := all.Add(second); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*store.Derivation{d, second} {
			r := termReader{rest: d.String()}
			got, want := r.term(), describe(d)
			if r.err != nil || r.rest != "" || !reflect.DeepEqual(got, want) {
				t.Errorf("%s\nis read as %q, rest %q, %v; want %q", d, got, r.rest, r.err, want)
			}
		}
	})
}

// describe returns a derivation as the lists and texts that its file consists of.
func describe(d *store.Derivation) []any {
	var outputs, inputs, env []any
	for _, out := range slices.Sorted(maps.Keys(d.Outputs)) {
		o := d.Outputs[out]
		outputs = append(outputs, []any{out, o.Path, o.Kind, store.Hash{Kind: o.Kind, Sum: o.Hash}.Base16()})
	}
	for _, in := range slices.Sorted(maps.Keys(d.Inputs)) {
		inputs = append(inputs, []any{in, anys(d.Inputs[in])})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Env)) {
		env = append(env, []any{name, d.Env[name]})
	}
	return []any{outputs, inputs, anys(slices.Sorted(slices.Values(d.Sources))), d.Platform, d.Builder, anys(d.Args), env}
}

func anys(texts []string) (all []any) {
	for _, text := range texts {
		all = append(all, text)
	}
	return all
}

// A termReader reads the lists, tuples and texts of a derivation's file.
type termReader struct {
	rest string
	err  error
}

func (r *termReader) term() any {
	r.rest = strings.TrimPrefix(r.rest, "Derive")
	if r.rest == "" || r.err != nil {
		r.err = errors.New("it ends too early")
		return nil
	}
	open := r.rest[0]
	r.rest = r.rest[1:]
	if open == '"' {
		return r.text()
	}
	end := map[byte]string{'(': ")", '[': "]"}[open]
	var all []any
	for r.err == nil && !strings.HasPrefix(r.rest, end) {
		if len(all) > 0 {
			if !strings.HasPrefix(r.rest, ",") {
				r.err = fmt.Errorf("%q follows an element", r.rest)
				return nil
			}
			r.rest = r.rest[1:]
		}
		all = append(all, r.term())
	}
	r.rest = strings.TrimPrefix(r.rest, end)
	return all
}

func (r *termReader) text() string {
	var b strings.Builder
	for i := 0; i < len(r.rest); i++ {
		switch c := r.rest[i]; c {
		case '"':
			r.rest = r.rest[i+1:]
			return b.String()
		case '\\':
			if i++; i == len(r.rest) {
				continue
			}
			if c = r.rest[i]; strings.IndexByte("nrt", c) >= 0 {
				c = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t'}[c]
			}
			b.WriteByte(c)
		case '\n', '\r', '\t':
			r.err = fmt.Errorf("a bare %q", c)
		default:
			b.WriteByte(c)
		}
	}
	r.err = errors.New("a text without an end")
	return ""
}
