package archive

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/wheel"
)

// Installer is the content of the file INSTALLER of an installed wheel.
const Installer = "nix2gpu"

// interpreter is the Python that scripts run with.
const interpreter = "/usr/bin/python3"

// prefix is Debian's prefix for files that are not of its packages.
const prefix = "usr/local"

// An Entry is a file of an installed wheel. Its folders are not listed.
type Entry struct {
	Path       string // without a leading slash: "usr/local/bin/flask"
	Executable bool
	Size       int64
	// Hash is the hash of its content in RECORD's form, "sha256=…". Files with the same
	// hash are the same. Only RECORD itself and its signatures may have none.
	Hash string
	// Open opens the file. Reading to the end verifies RECORD's hash and size.
	Open func() (io.ReadCloser, error)
}

// Site returns the folder for modules that dpkg has not installed:
// "usr/local/lib/python3.11/dist-packages".
func Site(t wheel.Target) string { return prefix + "/lib/python" + t.Short() + "/dist-packages" }

// Install lists the files of the installed wheel, sorted by path, as pip would make them
// for a wheel that was asked for by name.
func (w *Wheel) Install(t wheel.Target) ([]Entry, error) {
	in := &install{w: w, site: Site(t), python: t.Short(), made: map[string]Entry{}}
	if err := in.all(); err != nil {
		return nil, fmt.Errorf("wheel %s: %w", w.file, err)
	}
	var out []Entry
	for _, name := range slices.Sorted(maps.Keys(in.made)) {
		out = append(out, in.made[name])
	}
	return out, nil
}

type install struct {
	w            *Wheel
	site, python string
	made         map[string]Entry
}

func (in *install) add(e Entry) error {
	if _, ok := in.made[e.Path]; ok {
		return fmt.Errorf("installing it makes %q twice", "/"+e.Path)
	}
	in.made[e.Path] = e
	return nil
}

func (in *install) all() error {
	w := in.w
	for _, name := range slices.Sorted(maps.Keys(w.members)) {
		if name == w.info("RECORD") {
			continue
		}
		to, script, err := in.place(name)
		if err != nil {
			return err
		}
		e := Entry{
			Path: to, Executable: script || isExecutable(w.members[name]), Size: int64(w.members[name].UncompressedSize64), Hash: w.record[name].hash,
			Open: func() (io.ReadCloser, error) { return w.read(name) },
		}
		if script {
			if e, err = in.script(name, e); err != nil {
				return err
			}
		}
		if err := in.add(e); err != nil {
			return err
		}
	}
	for _, s := range w.Scripts {
		to := path.Join(prefix, "bin", s.Name)
		delete(in.made, to) // if an entry point and a script have the same name, pip makes the entry point
		if err := in.add(made(to, launcher(s), true)); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"INSTALLER": Installer + "\n", "REQUESTED": ""} {
		e := made(path.Join(in.site, w.info(name)), text, false)
		in.made[e.Path] = e // it replaces one that the wheel contains
	}
	return in.add(in.record())
}

// place returns where a file of the wheel is installed, and whether it is a script.
func (in *install) place(name string) (to string, script bool, err error) {
	top, rest, _ := strings.Cut(name, "/")
	if !strings.HasSuffix(top, ".data") {
		return path.Join(in.site, name), false, nil
	}
	if top != in.w.stem+".data" {
		return "", false, fmt.Errorf("%q is the data of another wheel", name)
	}
	scheme, rest, _ := strings.Cut(rest, "/")
	if rest == "" {
		return "", false, fmt.Errorf("%q is not a file of purelib, platlib, headers, scripts or data", name)
	}
	switch scheme {
	case "purelib", "platlib":
		return path.Join(in.site, rest), false, nil
	case "headers":
		project := in.w.stem[:strings.LastIndexByte(in.w.stem, '-')]
		return path.Join("usr/include/python"+in.python, project, rest), false, nil // like Debian's pip
	case "scripts":
		return path.Join(prefix, "bin", rest), true, nil
	case "data":
		return path.Join(prefix, rest), false, nil
	}
	return "", false, fmt.Errorf("%q is not a file of purelib, platlib, headers, scripts or data", name)
}

// script sets the interpreter of a Python script to the image's.
func (in *install) script(name string, e Entry) (Entry, error) {
	r, err := in.w.members[name].Open()
	if err != nil {
		return e, fmt.Errorf("%q: %w", name, err)
	}
	head := make([]byte, len("#!python"))
	n, err := io.ReadFull(r, head)
	r.Close()
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return e, fmt.Errorf("%q: %w", name, err)
	}
	if string(head[:n]) != "#!python" {
		return e, nil
	}
	if e.Size > maxText {
		return e, fmt.Errorf("the script %q is larger than %d bytes", name, maxText)
	}
	checked, err := in.w.read(name)
	if err != nil {
		return e, err
	}
	defer checked.Close()
	data, err := io.ReadAll(checked)
	if err != nil {
		return e, err
	}
	_, rest, _ := strings.Cut(string(data), "\n")
	return made(e.Path, "#!"+interpreter+"\n"+rest, true), nil
}

// made makes an entry with content of ours.
func made(to, content string, executable bool) Entry {
	sum := sha256.Sum256([]byte(content))
	return Entry{
		Path: to, Executable: executable, Size: int64(len(content)), Hash: "sha256=" + base64.RawURLEncoding.EncodeToString(sum[:]),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil },
	}
}

// launcher returns the program of an entry point. Like pip's, it removes from its own
// name the suffix that Windows adds.
func launcher(s wheel.Script) string {
	first, _, _ := strings.Cut(s.Attr, ".")
	return fmt.Sprintf(`#!%s
import sys

from %s import %s

if __name__ == "__main__":
    sys.argv[0] = sys.argv[0].removesuffix(".exe")
    sys.exit(%s())
`, interpreter, s.Module, first, s.Attr)
}

// record makes the RECORD of the installed files, with their hashes and installed
// paths.
func (in *install) record() Entry {
	self := path.Join(in.site, in.w.info("RECORD"))
	var b bytes.Buffer
	rows := csv.NewWriter(&b)
	write := func(name string, row ...string) {
		below, err := filepath.Rel("/"+in.site, "/"+name)
		if err != nil {
			panic(err) // Rel can't fail for two absolute paths
		}
		rows.Write(append([]string{filepath.ToSlash(below)}, row...)) // a write to memory can't fail
	}
	for _, name := range slices.Sorted(maps.Keys(in.made)) {
		if e := in.made[name]; e.Hash != "" {
			write(name, e.Hash, strconv.FormatInt(e.Size, 10))
		} else {
			write(name, "", "")
		}
	}
	write(self, "", "")
	rows.Flush()
	e := made(self, b.String(), false)
	e.Hash = ""
	return e
}

// read opens a file of the wheel, and verifies RECORD's hash and size at its end.
func (w *Wheel) read(name string) (io.ReadCloser, error) {
	r, err := w.members[name].Open()
	if err != nil {
		return nil, fmt.Errorf("wheel %s: %q: %w", w.file, name, err)
	}
	if w.unrecorded(name) {
		return r, nil
	}
	h, want, err := w.record[name].digest()
	if err != nil {
		return nil, fmt.Errorf("wheel %s: %q: %w", w.file, name, err)
	}
	return &checked{r, h, want, w.file, name}, nil
}

// checked is a reader that verifies a digest at its end.
type checked struct {
	io.ReadCloser
	hash       hash.Hash
	want       []byte
	file, name string
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.hash.Write(p[:n])
	switch {
	case err == io.EOF && !bytes.Equal(c.hash.Sum(nil), c.want):
		err = fmt.Errorf("wheel %s: %q is not what its RECORD says", c.file, c.name)
	case errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat):
		err = fmt.Errorf("wheel %s: %q is damaged: %w", c.file, c.name, err)
	}
	return n, err
}
