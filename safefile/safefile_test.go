package safefile_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"nix2gpu/safefile"
)

// stranger is a user who is neither us nor root.
const stranger = 65534

func asRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

// plants are what somebody who may write to our folder can put in the way of a file of
// ours, with a part of the error for each.
var plants = map[string]struct {
	put  func(t *testing.T, path, victim string)
	want string
}{
	"link":           {func(t *testing.T, path, victim string) { must(t, os.Symlink(victim, path)) }, "it is a link"},
	"link to none":   {func(t *testing.T, path, victim string) { must(t, os.Symlink(victim+".none", path)) }, "it is a link"},
	"FIFO":           {func(t *testing.T, path, _ string) { must(t, unix.Mkfifo(path, 0o666)) }, "it is a FIFO"},
	"folder":         {func(t *testing.T, path, _ string) { must(t, os.Mkdir(path, 0o755)) }, "it is a folder"},
	"link to device": {func(t *testing.T, path, _ string) { must(t, os.Symlink("/dev/zero", path)) }, "it is a link"},
	"socket": {func(t *testing.T, path, _ string) {
		l, err := net.Listen("unix", path)
		must(t, err)
		t.Cleanup(func() { l.Close() })
	}, "it is a socket"},
	"stranger's file": {func(t *testing.T, path, _ string) {
		asRoot(t)
		write(t, path, "theirs")
		must(t, os.Chown(path, stranger, stranger))
	}, "it belongs to user 65534"},
	"other name of ours": {func(t *testing.T, path, victim string) {
		must(t, os.Chmod(filepath.Dir(path), 0o777))
		must(t, os.Link(victim, path))
	}, "it has other names too"},
}

// folder makes a folder with a short name, since a socket is made in it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "n")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// None of these calls may wait: nothing has the other end of a FIFO open.
func TestPlantedThingsAreRefused(t *testing.T) {
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			path, victim := filepath.Join(dir, "log"), write(t, filepath.Join(dir, "victim"), "precious")
			plant.put(t, path, victim)
			for verb, open := range map[string]func() error{
				"append":   func() error { _, err := safefile.Append(path, 0o600); return err },
				"truncate": func() error { _, err := safefile.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0); return err },
				"lock":     func() error { _, err := safefile.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600); return err },
				"read":     func() error { _, err := safefile.ReadFile(path, 1<<20); return err },
			} {
				err := open()
				if verb == "read" && name == "other name of ours" {
					must(t, err) // nothing is written to it
					continue
				}
				var e *safefile.Error
				if !errors.As(err, &e) || !strings.Contains(err.Error(), plant.want) || e.Hint == "" {
					t.Errorf("%s: %v, want %q with a cure", verb, err, plant.want)
				}
			}
			if got := read(t, victim); got != "precious" {
				t.Errorf("the victim has %q", got)
			}
			if _, err := os.Lstat(victim + ".none"); err == nil {
				t.Error("a file was made through the link")
			}
		})
	}
	t.Attr("S5", fmt.Sprintf("%d things planted, each opened in 4 ways: 0 followed", len(plants)))
}

func TestDeviceIsRefused(t *testing.T) {
	var e *safefile.Error
	if _, err := safefile.OpenFile("/dev/null", os.O_WRONLY, 0); !errors.As(err, &e) || e.Why != "it is a device" {
		t.Errorf("got %v, want a refusal", err)
	}
}

// Replace removes what was planted, and never writes through it.
func TestReplace(t *testing.T) {
	for name, plant := range plants {
		for _, suffix := range []string{"", ".new"} {
			t.Run(name+suffix, func(t *testing.T) {
				dir := folder(t)
				path, victim := filepath.Join(dir, "file"), write(t, filepath.Join(dir, "victim"), "precious")
				plant.put(t, path+suffix, victim)
				err := safefile.Replace(path, []byte("new"), 0o600)
				if name == "folder" {
					if err == nil {
						t.Error("a folder was replaced")
					}
				} else {
					must(t, err)
					if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() || st.Mode().Perm() != 0o600 || read(t, path) != "new" {
						t.Errorf("%s is %v, %v", path, st, err)
					}
					if _, err := os.Lstat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s.new is left", path)
					}
				}
				if got := read(t, victim); got != "precious" {
					t.Errorf("the victim has %q", got)
				}
			})
		}
	}
	t.Attr("S12", fmt.Sprintf("%d things planted, under the name and beside it: 0 followed", len(plants)))
}

func TestOrdinaryFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if _, err := safefile.ReadFile(path, 9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is missing: %v", err)
	}
	for range 2 {
		f, err := safefile.Append(path, 0o640)
		must(t, err)
		_, err = f.WriteString("line\n")
		must(t, errors.Join(err, f.Close()))
	}
	if got := read(t, path); got != "line\nline\n" {
		t.Errorf("appended: %q", got)
	}
	if _, err := safefile.ReadFile(path, 9); err == nil || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("ReadFile above its limit: %v", err)
	}
	data, err := safefile.ReadFile(path, 10)
	if must(t, err); string(data) != "line\nline\n" {
		t.Errorf("read: %q", data)
	}
	f, err := safefile.OpenFile(path, os.O_RDWR|os.O_TRUNC, 0)
	must(t, err)
	if st, err := f.Stat(); err != nil || st.Size() != 0 || st.Mode().Perm() != 0o640 {
		t.Errorf("truncated: %v, %v", st, err)
	}
	f.Close()
	f, err = safefile.Rewrite(path, []byte("head\n"), 0o600)
	must(t, err)
	_, err = f.WriteString("more\n")
	must(t, errors.Join(err, f.Close()))
	if got := read(t, path); got != "head\nmore\n" {
		t.Errorf("rewritten: %q", got)
	}
	if _, err := safefile.Append(filepath.Join(path, "below"), 0o600); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("below a file: %v", err)
	}
}

// Links on the way are up to the administrator, such as /home on another disk; those of
// a stranger are refused.
func TestFoldersOnTheWay(t *testing.T) {
	dir := folder(t)
	must(t, os.Mkdir(dir+"/real", 0o755))
	must(t, os.Symlink("real", dir+"/relative"))
	must(t, os.Symlink(dir+"/relative/../real", dir+"/absolute"))
	must(t, os.Symlink("round", dir+"/round"))
	for _, way := range []string{"real", "relative", "absolute"} {
		f, err := safefile.Append(filepath.Join(dir, way, "log"), 0o600)
		must(t, err)
		f.Close()
	}
	if _, err := safefile.Append(dir+"/round/log", 0o600); !errors.Is(err, unix.ELOOP) {
		t.Errorf("links in a circle: %v", err)
	}
	if _, err := safefile.Append(dir+"/none/log", 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is missing: %v", err)
	}
	asRoot(t)
	must(t, os.Lchown(dir+"/relative", stranger, stranger))
	var e *safefile.Error
	for _, way := range []string{"relative", "absolute"} {
		if _, err := safefile.Append(filepath.Join(dir, way, "log"), 0o600); !errors.As(err, &e) || !strings.Contains(e.Why, "a link of user 65534") {
			t.Errorf("through a stranger's link: %v", err)
		}
	}
}

func TestOpenLinked(t *testing.T) {
	dir := folder(t)
	for _, d := range []string{"/links", "/logs"} {
		must(t, os.Mkdir(dir+d, 0o755))
	}
	link, target := dir+"/links/log", dir+"/logs/real"
	must(t, os.Symlink("../logs/real", link))
	add := func() error {
		f, err := safefile.OpenLinked(link, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString("x")
		return errors.Join(err, f.Close())
	}
	must(t, add())
	must(t, add())
	if got := read(t, target); got != "xx" {
		t.Errorf("the link's target has %q", got)
	}
	asRoot(t)
	for name, spoil := range map[string]string{"link": link, "folder of the link": dir + "/links", "folder of the file": dir + "/logs", "file": target} {
		must(t, os.Lchown(spoil, stranger, stranger))
		var e *safefile.Error
		if err := add(); !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("%s is a stranger's: %v, want a refusal", name, err)
		}
		must(t, os.Lchown(spoil, 0, 0))
	}
	must(t, add())
}

func TestPeek(t *testing.T) {
	path := write(t, filepath.Join(folder(t), "log"), "text")
	if os.Geteuid() == 0 {
		must(t, os.Chown(path, stranger, stranger))
	}
	f, err := safefile.Peek(path)
	must(t, err)
	defer f.Close()
	if data, err := io.ReadAll(f); err != nil || string(data) != "text" {
		t.Errorf("got %q, %v", data, err)
	}
	must(t, os.Symlink(path, path+".link"))
	if _, err := safefile.Peek(path + ".link"); err == nil {
		t.Error("a link was followed")
	}
}

// Folder.Peek does what Peek does, in a folder of ours and in one that others can write
// to.
func TestFolder(t *testing.T) {
	if _, err := safefile.OpenFolder(folder(t) + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is missing: %v", err)
	}
	for _, mode := range []fs.FileMode{0o700, 0o777} {
		dir := folder(t)
		must(t, os.Chmod(dir, mode))
		write(t, dir+"/log", "text")
		must(t, os.Symlink("log", dir+"/link"))
		must(t, unix.Mkfifo(dir+"/fifo", 0o600))
		must(t, os.Mkdir(dir+"/sub", 0o700))
		in, err := safefile.OpenFolder(dir)
		must(t, err)
		defer in.Close()
		f, st, err := in.Peek("log")
		must(t, err)
		defer f.Close()
		var want unix.Stat_t
		must(t, unix.Stat(dir+"/log", &want))
		if data, err := io.ReadAll(f); err != nil || string(data) != "text" || st.Ino != want.Ino {
			t.Errorf("mode %o: got %q of file %d (%v), want %d", mode, data, st.Ino, err, want.Ino)
		}
		for name, why := range map[string]string{"link": "it is a link", "fifo": "it is a FIFO", "sub": "it is a folder"} {
			var e *safefile.Error
			if _, _, err := in.Peek(name); !errors.As(err, &e) || e.Why != why {
				t.Errorf("mode %o: %s: %v, want %q", mode, name, err, why)
			}
		}
		if _, _, err := in.Peek("none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("mode %o: a file that is missing: %v", mode, err)
		}
	}
}

func TestMakeFolder(t *testing.T) {
	dir := folder(t)
	old := unix.Umask(0o077)
	err := safefile.MakeFolder(dir+"/new", 0o755)
	unix.Umask(old)
	must(t, err)
	if st, err := os.Stat(dir + "/new"); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("made: %v, %v", st, err)
	}
	must(t, os.Symlink("new", dir+"/link"))
	must(t, safefile.MakeFolder(dir+"/new", 0o700))
	must(t, safefile.MakeFolder(dir+"/link", 0o700))
	must(t, safefile.MakeFolder("/", 0o700))
	must(t, safefile.CheckFolder(dir+"/link"))
	if err := safefile.CheckFolder(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is missing: %v", err)
	}
	write(t, dir+"/file", "")
	var e *safefile.Error
	if err := safefile.MakeFolder(dir+"/file", 0o700); !errors.As(err, &e) || e.Why != "it is not a folder" {
		t.Errorf("a file is there: %v", err)
	}
	if err := safefile.MakeFolder(dir+"/none/new", 0o700); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
	asRoot(t)
	must(t, os.Lchown(dir+"/link", stranger, stranger))
	if err := safefile.MakeFolder(dir+"/link", 0o700); !errors.As(err, &e) || !strings.Contains(e.Why, "a link of user 65534") {
		t.Errorf("a stranger's link: %v", err)
	}
	if err := safefile.MakeFolder(dir+"/link/below", 0o700); !errors.As(err, &e) {
		t.Errorf("below a stranger's link: %v", err)
	}
	if _, err := os.Lstat(dir + "/new/below"); err == nil {
		t.Error("a folder was made through a stranger's link")
	}
	must(t, os.Chown(dir+"/new", stranger, stranger))
	if err := safefile.MakeFolder(dir+"/new", 0o700); !errors.As(err, &e) || !strings.Contains(e.Why, "belongs to user 65534") {
		t.Errorf("a stranger's folder: %v", err)
	}
}

// If programs write a file at the same time, the file of one of them is left, complete,
// and nothing else. A reader meanwhile sees a complete one too.
func TestReplaceAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	whole := func(data []byte) bool {
		return len(data) == 100_000 && strings.Count(string(data), string(data[:1])) == len(data)
	}
	if err := safefile.Replace(path, []byte(strings.Repeat("x", 100_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				if err := safefile.Replace(path, []byte(strings.Repeat(string(rune('a'+i)), 100_000)), 0o600); err != nil {
					t.Error(err)
				}
				if data, err := os.ReadFile(path); err != nil || !whole(data) {
					t.Errorf("%v: %d bytes that are not of one writer", err, len(data))
				}
			}
		})
	}
	wg.Wait()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("there is %v, %v", entries, err)
	}
}

// The size of a file in /proc says nothing.
func TestReadNamedIsBounded(t *testing.T) {
	whole, err := safefile.ReadNamed("/proc/self/status", 1<<20)
	if err != nil || len(whole) < 11 {
		t.Fatalf("ReadNamed = %q, %v", whole, err)
	}
	if data, err := safefile.ReadNamed("/proc/self/status", 10); err == nil || !strings.Contains(err.Error(), "larger than 10 bytes") {
		t.Errorf("ReadNamed of more than 10 bytes = %q, %v", data, err)
	}
}
