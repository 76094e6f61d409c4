package archive

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"nix2gpu/wheel"
)

// The limits of a wheel. The largest that are published have 50,000 files and unpack to 3
// times their size. One that exceeds bombFactor, beyond a size that does no harm, is
// rejected.
const (
	mostFiles  = 500_000
	bombFactor = 100
	bombFree   = 64 << 20
	maxRecord  = 64 << 20
	maxText    = 8 << 20 // bytes of METADATA, and of a script that is changed
)

// A Wheel is a wheel that was checked.
type Wheel struct {
	wheel.Filename
	Metadata *wheel.Metadata
	Scripts  []wheel.Script // the programs of its entry points
	// Programs are all programs that it installs, sorted.
	Programs []string

	file    string // its name
	stem    string // "Flask-3.0.2"
	members map[string]*zip.File
	record  map[string]recorded
}

// recorded is a file's entry in RECORD.
type recorded struct {
	hash string // as in RECORD: "sha256=…"
	size int64  // bytes; -1 if not given
}

// Open checks the wheel in r and reads its metadata. file is the wheel's name, and size
// its size in bytes. The files in it are read by [Wheel.Install].
func Open(file string, r io.ReaderAt, size int64) (*Wheel, error) {
	w, err := open(file, r, size)
	if err != nil {
		return nil, fmt.Errorf("wheel %s: %w", file, err)
	}
	return w, nil
}

func open(file string, r io.ReaderAt, size int64) (*Wheel, error) {
	name, err := wheel.ParseFilename(file)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("it is not a zip archive: %w", err)
	}
	w := &Wheel{Filename: *name, file: file}
	if err := w.list(z, size); err != nil {
		return nil, err
	}
	if err := w.findStem(); err != nil {
		return nil, err
	}
	if err := w.readLayout(); err != nil {
		return nil, err
	}
	if err := w.readRecord(); err != nil {
		return nil, err
	}
	if err := w.readEntryPoints(); err != nil {
		return nil, err
	}
	return w, nil
}

// list checks the names and sizes of all members.
func (w *Wheel) list(z *zip.Reader, size int64) error {
	if len(z.File) > mostFiles {
		return fmt.Errorf("it has %d files", len(z.File))
	}
	w.members = map[string]*zip.File{}
	dirs := map[string]bool{}
	var packed, plain uint64
	for _, f := range z.File {
		if err := checkName(f.Name); err != nil {
			return err
		}
		packed, plain = packed+f.CompressedSize64, plain+f.UncompressedSize64
		// Members may share compressed bytes: a bomb that no single factor shows.
		if f.UncompressedSize64 > 1<<40 || packed > uint64(size) {
			return errors.New("its files are larger than the archive")
		}
		if plain > bombFree+bombFactor*uint64(size) {
			return fmt.Errorf("it unpacks to more than %d times its size", bombFactor)
		}
		if f.Flags&1 != 0 {
			return fmt.Errorf("%q is encrypted", f.Name)
		}
		if f.Method != zip.Store && f.Method != zip.Deflate {
			return fmt.Errorf("not supported: %q is compressed by method %d", f.Name, f.Method)
		}
		if strings.HasSuffix(f.Name, "/") {
			dirs[strings.TrimSuffix(f.Name, "/")] = true
			continue
		}
		if t := f.Mode().Type(); t != 0 {
			return fmt.Errorf("%q is not a plain file: a wheel has no links and devices", f.Name)
		}
		if w.members[f.Name] != nil {
			return fmt.Errorf("%q appears twice", f.Name)
		}
		w.members[f.Name] = f
		for dir := path.Dir(f.Name); dir != "." && !dirs[dir]; dir = path.Dir(dir) {
			dirs[dir] = true
		}
	}
	for dir := range dirs {
		if w.members[dir] != nil {
			return fmt.Errorf("%q is a file and a folder", dir)
		}
	}
	return nil
}

// checkName rejects a name that leads out of the folder it is unpacked to.
func checkName(name string) error {
	plain := strings.TrimSuffix(name, "/")
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, "\\"):
		return fmt.Errorf("%q is not a valid name for a file", name)
	case plain == "" || path.IsAbs(plain) || plain != path.Clean(plain) || plain == ".." || strings.HasPrefix(plain, "../"):
		return fmt.Errorf("%q leads out of the wheel", name)
	case len(plain) > 4000 || slices.ContainsFunc(strings.Split(plain, "/"), func(part string) bool { return len(part) > 255 }):
		return fmt.Errorf("%q… is too long a name", name[:60])
	}
	return nil
}

// findStem finds the folder of metadata. There must be exactly one, of this project.
func (w *Wheel) findStem() error {
	var found []string
	for name := range w.members {
		top, _, below := strings.Cut(name, "/")
		if stem, ok := strings.CutSuffix(top, ".dist-info"); ok && below && !slices.Contains(found, stem) {
			found = append(found, stem)
		}
	}
	slices.Sort(found)
	if len(found) != 1 {
		return fmt.Errorf("it must have one folder NAME-VERSION.dist-info, and has %d", len(found))
	}
	w.stem = found[0]
	at := strings.LastIndexByte(w.stem, '-')
	if at < 0 || wheel.Normalize(w.stem[:at]) != w.Name {
		return fmt.Errorf("its metadata is that of another project: %s.dist-info", w.stem)
	}
	return nil
}

// info returns the name of a file in the folder of metadata.
func (w *Wheel) info(name string) string { return w.stem + ".dist-info/" + name }

// text reads a small member.
func (w *Wheel) text(name string, limit int64) ([]byte, error) {
	f := w.members[name]
	if f == nil {
		return nil, fmt.Errorf("it has no %s", name)
	}
	if f.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

func (w *Wheel) readLayout() error {
	data, err := w.text(w.info("WHEEL"), maxText)
	if err != nil {
		return err
	}
	layout, err := wheel.ParseLayout(data)
	if err != nil {
		return err
	}
	if layout.Major != 1 {
		return fmt.Errorf("not supported: a wheel of format %d.%d", layout.Major, layout.Minor)
	}
	if data, err = w.text(w.info("METADATA"), maxText); err != nil {
		return err
	}
	if w.Metadata, err = wheel.ParseMetadata(data); err != nil {
		return err
	}
	if w.Metadata.Name != w.Name || w.Metadata.Version.Compare(w.Version) != 0 {
		return fmt.Errorf("its metadata is that of %s %s", w.Metadata.Name, w.Metadata.Version)
	}
	return nil
}

// readRecord reads RECORD, and checks that it lists exactly the files that there are.
// Digests are verified when the files are read.
func (w *Wheel) readRecord() error {
	data, err := w.text(w.info("RECORD"), maxRecord)
	if err != nil {
		return err
	}
	w.record = map[string]recorded{}
	rows := csv.NewReader(bytes.NewReader(data))
	rows.FieldsPerRecord = -1
	for {
		row, err := rows.Read()
		if err == io.EOF {
			break
		}
		if err != nil || len(row) != 3 {
			return fmt.Errorf("its RECORD cannot be read: %v", row)
		}
		name, entry := row[0], recorded{row[1], -1}
		if row[2] != "" {
			if entry.size, err = strconv.ParseInt(row[2], 10, 64); err != nil || entry.size < 0 {
				return fmt.Errorf("its RECORD says that %q has %q bytes", name, row[2])
			}
		}
		switch f := w.members[name]; {
		case f == nil && strings.HasSuffix(name, "/"):
			continue // a folder: some builders list folders
		case f == nil:
			return fmt.Errorf("its RECORD names %q, which it does not contain", name)
		case w.unrecorded(name):
		case entry.size >= 0 && uint64(entry.size) != f.UncompressedSize64:
			return fmt.Errorf("%q has %d bytes, and %d by its RECORD", name, f.UncompressedSize64, entry.size)
		default:
			if _, _, err := entry.digest(); err != nil {
				return fmt.Errorf("its RECORD of %q: %w", name, err)
			}
		}
		w.record[name] = entry
	}
	for name := range w.members {
		if _, ok := w.record[name]; !ok && !w.unrecorded(name) {
			return fmt.Errorf("its RECORD does not name %q", name)
		}
	}
	return nil
}

// unrecorded reports whether RECORD need not have the digest of a file: this holds for
// RECORD itself and its signatures.
func (w *Wheel) unrecorded(name string) bool {
	return name == w.info("RECORD") || name == w.info("RECORD.jws") || name == w.info("RECORD.p7s")
}

// digest returns the hash function of an entry in RECORD, and the expected sum.
func (r recorded) digest() (hash.Hash, []byte, error) {
	kind, text, _ := strings.Cut(r.hash, "=")
	var h hash.Hash
	switch kind {
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	default:
		return nil, nil, fmt.Errorf("%q is not a hash by SHA-256 or better", r.hash)
	}
	want, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(want) != h.Size() {
		return nil, nil, fmt.Errorf("%q is not a hash", r.hash)
	}
	return h, want, nil
}

func (w *Wheel) readEntryPoints() error {
	if w.members[w.info("entry_points.txt")] != nil {
		data, err := w.text(w.info("entry_points.txt"), maxText)
		if err != nil {
			return err
		}
		if w.Scripts, err = wheel.ParseEntryPoints(data); err != nil {
			return err
		}
	}
	for _, s := range w.Scripts {
		w.Programs = append(w.Programs, s.Name)
	}
	for name := range w.members {
		for _, folder := range []string{"scripts/", "data/bin/"} {
			if program, ok := strings.CutPrefix(name, w.stem+".data/"+folder); ok && !strings.Contains(program, "/") {
				w.Programs = append(w.Programs, program)
			}
		}
	}
	slices.Sort(w.Programs)
	w.Programs = slices.Compact(w.Programs)
	return nil
}

// CUDA returns a file of the wheel that is one of CUDA's libraries; "" if there is none.
func (w *Wheel) CUDA() string {
	found := ""
	for name := range w.members {
		base := path.Base(name)
		rest, ok := strings.CutPrefix(base, "libcu")
		if !ok || !strings.Contains(base, ".so") {
			continue
		}
		for _, lib := range []string{"dart", "blas", "dnn", "fft", "sparse", "solver", "rand"} {
			if after, ok := strings.CutPrefix(rest, lib); ok && after != "" && (after[0] == '.' || after[0] == '-' || after[0] == 'L') && (found == "" || name < found) {
				found = name
			}
		}
	}
	return found
}

// isExecutable reports whether a member's mode in the archive is that of a program.
func isExecutable(f *zip.File) bool { return f.Mode()&fs.ModePerm&0o111 != 0 }
