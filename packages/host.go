package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"
)

// Host provides what is installed on this machine. Each package is a folder of links,
// Dir/<attr>/bin/<program>. Dir is required.
type Host struct {
	Dir        string   // the folder for these folders; made when needed
	SearchPath []string // folders of programs; default: $PATH and the usual system folders
	Root       string   // put before the table's absolute paths, in tests
}

// systemDirs are searched after PATH: servers are in sbin, which is not in an ordinary
// user's PATH.
var systemDirs = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// Path implements [Provider]. It looks for the software each time, so that it notices
// what was installed, upgraded or removed meanwhile, and writes the folder only if a link
// has changed.
func (h *Host) Path(attr string) (string, error) {
	_, links, err := h.find(attr)
	if err != nil {
		return "", err
	}
	farm := filepath.Join(h.Dir, attr)
	if same(farm, links) {
		return farm, nil
	}
	if err := h.write(farm, links); err != nil {
		return "", fmt.Errorf("cannot make package folder %q: %w", farm, err)
	}
	return farm, nil
}

// find looks for the software of a package, and returns the links for its folder. The
// error is a *MissingError if it is not installed.
func (h *Host) find(attr string) (Package, map[string]string, error) {
	if attr == "" || strings.ContainsAny(attr, "/\x00") || attr[0] == '.' {
		return Package{}, nil, fmt.Errorf("package attribute %q must be a name such as \"python3\"", attr)
	}
	p := Lookup(attr)
	links := h.links(p)
	if !satisfied(p, links) {
		return p, nil, h.missing(p)
	}
	return p, links, nil
}

func (h *Host) missing(p Package) *MissingError {
	e := &MissingError{Attr: p.Attr, Debian: h.names(p), From: p.From}
	if p.Main != "" {
		e.Programs = []string{p.Main}
	}
	if !p.Known {
		e.Unknown, e.Meant = true, Suggest(p.Attr)
	}
	return e
}

// satisfied reports whether links are enough to count as the package: its main program
// is there or, if it has none, anything at all.
func satisfied(p Package, links map[string]string) bool {
	if p.Main != "" {
		_, ok := links["bin/"+p.Main]
		return ok
	}
	if len(p.Dirs) == 0 && len(p.Links) == 0 {
		// There is nothing to check, as with a Python library, which only its
		// interpreter can find.
		return true
	}
	return len(links) > 0
}

// links finds the links for the package's folder: from a path below it to a path on this
// machine.
func (h *Host) links(p Package) map[string]string {
	return p.find(machineFiles{h.Root}, h.search())
}

func (h *Host) search() []string {
	if h.SearchPath != nil {
		return h.SearchPath
	}
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		// Our own folders may be in PATH, when nix2gpu runs below nix2gpu. A link to
		// one would lead to itself.
		if filepath.IsAbs(dir) && !strings.HasPrefix(dir, h.Dir+"/") && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range systemDirs {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// compareVersions compares texts in which runs of digits are numbers.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		na, ra := cutNumber(a)
		nb, rb := cutNumber(b)
		if na >= 0 && nb >= 0 {
			if na != nb {
				return na - nb
			}
			a, b = ra, rb
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	return len(a) - len(b)
}

func cutNumber(s string) (int, string) {
	end := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsDigit(r) })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.Atoi(s[:end])
	if err != nil {
		return -1, s
	}
	return n, s[end:]
}

// same reports whether the folder holds exactly these links.
func same(farm string, links map[string]string) bool {
	count := 0
	err := filepath.WalkDir(farm, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sub, _ := filepath.Rel(farm, file)
		want, ok := links[sub]
		if !ok || !holds(file, want) {
			return errDiffers
		}
		count++
		return nil
	})
	return err == nil && count == len(links)
}

var errDiffers = errors.New("differs")

func holds(file, want string) bool {
	if place, err := os.Readlink(file); err == nil {
		return place == want && !inVenv(want)
	}
	data, err := os.ReadFile(file)
	return err == nil && inVenv(want) && string(data) == launcher(want)
}

// write makes a new folder beside the old one and exchanges them, so that nobody sees an
// incomplete package.
func (h *Host) write(farm string, links map[string]string) error {
	if err := makeOpen(h.Dir); err != nil {
		return err
	}
	fresh, err := os.MkdirTemp(h.Dir, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh) // after the exchange, it has the old content
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	for _, sub := range slices.Sorted(maps.Keys(links)) {
		file := filepath.Join(fresh, sub)
		if err := makeOpen(filepath.Dir(file)); err != nil {
			return err
		}
		if err := place(file, links[sub]); err != nil {
			return err
		}
	}
	err = unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, farm, unix.RENAME_EXCHANGE)
	if err == unix.ENOENT { // there was no old one
		err = os.Rename(fresh, farm)
	}
	if err == nil || same(farm, links) { // or another process has just made it
		return nil
	}
	// The file system has no exchange: for a moment there is no folder.
	if err := os.RemoveAll(farm); err != nil {
		return err
	}
	return os.Rename(fresh, farm)
}

// makeOpen makes a folder that other users can read, whatever our umask.
func makeOpen(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// place makes one entry. A program of a Python virtual environment finds the environment
// by the path that it was started by, so it gets a launcher of two lines instead of a
// link.
func place(file, target string) error {
	if inVenv(target) {
		if err := os.WriteFile(file, []byte(launcher(target)), 0o755); err != nil {
			return err
		}
		return os.Chmod(file, 0o755)
	}
	return os.Symlink(target, file)
}

func launcher(target string) string {
	return "#!/bin/sh\nexec '" + strings.ReplaceAll(target, "'", `'\''`) + "' \"$@\"\n"
}

func inVenv(program string) bool {
	_, err := os.Stat(filepath.Join(filepath.Dir(filepath.Dir(program)), "pyvenv.cfg"))
	return err == nil
}
