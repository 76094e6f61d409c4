package wheeltest

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// A Wheel describes a wheel to make. With only a name it is version 1.0 of a module of
// that name, for every machine.
type Wheel struct {
	Name, Version string
	Build         string
	Tag           string // default: "py3-none-any"
	// Metadata are further lines of METADATA: "Requires-Dist: werkzeug>=3".
	Metadata []string
	// Scripts are console scripts: "flask = flask.cli:main".
	Scripts []string
	// Files are further files, by name. STEM stands for the wheel's name and version, as
	// in "STEM.data/scripts/tool". A name that ends in "*" makes an executable.
	Files map[string]string
	// Record changes the lines of RECORD, for damage; nil: RECORD is right.
	Record func(lines []string) []string
	// Raw adds members. RECORD does not list them unless Listed is set.
	Raw    []Member
	Listed bool
}

// A Member is a member of the archive, written as it is.
type Member struct {
	Name string
	Body string
	Mode fs.FileMode
	// Header may change the member's header.
	Header func(h *zip.FileHeader)
}

func (w Wheel) version() string { return cmp.Or(w.Version, "1.0") }

func (w Wheel) stem() string {
	return strings.ReplaceAll(w.Name, "-", "_") + "-" + w.version()
}

// File returns the name of the wheel's file.
func (w Wheel) File() string {
	build := ""
	if w.Build != "" {
		build = "-" + w.Build
	}
	return w.stem() + build + "-" + cmp.Or(w.Tag, "py3-none-any") + ".whl"
}

// Bytes makes the wheel.
func (w Wheel) Bytes(tb testing.TB) []byte {
	tb.Helper()
	info := w.stem() + ".dist-info/"
	module := strings.ReplaceAll(strings.ToLower(w.Name), "-", "_")
	files := map[string]string{
		info + "METADATA": "Metadata-Version: 2.1\nName: " + w.Name + "\nVersion: " + w.version() + "\n" + lines(w.Metadata) + "\nA wheel of a test.\n",
		info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: wheeltest\nRoot-Is-Purelib: true\nTag: " + cmp.Or(w.Tag, "py3-none-any") + "\n",
	}
	if len(w.Scripts) > 0 {
		files[info+"entry_points.txt"] = "[console_scripts]\n" + lines(w.Scripts)
	}
	if len(w.Files) == 0 {
		files[module+"/__init__.py"] = "__version__ = \"" + w.version() + "\"\n"
	}
	for name, body := range w.Files {
		files[strings.ReplaceAll(name, "STEM", w.stem())] = body
	}
	var record []string
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(m Member) {
		h := &zip.FileHeader{Name: m.Name, Method: zip.Deflate, Modified: time.Date(2026, 3, 4, 5, 6, 8, 0, time.UTC)}
		h.SetMode(cmp.Or(m.Mode, 0o644))
		if m.Header != nil {
			m.Header(h)
		}
		out, err := z.CreateHeader(h)
		if err == nil {
			_, err = out.Write([]byte(m.Body))
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	row := func(name, body string) {
		sum := sha256.Sum256([]byte(body))
		record = append(record, fmt.Sprintf("%s,sha256=%s,%d", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(body)))
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		m := Member{Name: name, Body: files[name]}
		if plain, ok := strings.CutSuffix(name, "*"); ok {
			m.Name, m.Mode = plain, 0o755
		}
		row(m.Name, m.Body)
		put(m)
	}
	for _, m := range w.Raw {
		m.Name = strings.ReplaceAll(m.Name, "STEM", w.stem())
		if w.Listed {
			row(m.Name, m.Body)
		}
		put(m)
	}
	record = append(record, info+"RECORD,,")
	if w.Record != nil {
		record = w.Record(record)
	}
	put(Member{Name: info + "RECORD", Body: lines(record)})
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func lines(list []string) string {
	var b strings.Builder
	for _, l := range list {
		b.WriteString(l + "\n")
	}
	return b.String()
}

// SHA256 returns the digest of data in hexadecimal.
func SHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
