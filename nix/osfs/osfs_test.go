package osfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/nix/eval"
	"nix2gpu/nix/osfs"
)

// TestReadFile: a file that is not regular is refused at once, with its kind.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	regular := write("regular", "text")
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("pipe", link); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket}); err != nil {
		t.Fatal(err)
	}
	big := write("big", "")
	if err := os.Truncate(big, osfs.MaxFile+1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, text, err string }{
		{regular, "text", ""},
		{"/dev/null", "", ""},
		{"/proc/self/comm", "osfs.test\n", ""}, // its size is 0
		{"/dev/zero", "", "it is a device, and only regular files can be read"},
		{pipe, "", "it is a named pipe, and only regular files can be read"},
		{link, "", "it is a named pipe, and only regular files can be read"},
		{socket, "", "it is a socket, and only regular files can be read"},
		{dir, "", "is a directory"},
		{big, "", "more than 128 MiB"},
		{filepath.Join(dir, "absent"), "", "no such file or directory"},
	} {
		data, err := osfs.FS{}.ReadFile(c.path)
		if c.err == "" && (err != nil || string(data) != c.text) {
			t.Errorf("%s: %q, %v, want %q", c.path, data, err, c.text)
		}
		if c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: error %v, want %q", c.path, err, c.err)
		}
	}
	if _, err := (osfs.FS{}).ReadFile(big); !errors.Is(err, eval.ErrTooBig) {
		t.Errorf("error %v is not ErrTooBig", err)
	}
}

// TestReadNamed: a pipe is read to its end, an endless device up to the limit, and a file
// above the limit not at all.
func TestReadNamed(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		w.WriteString("from a pipe")
		w.Close()
	}()
	data, err := osfs.ReadNamed("/proc/self/fd/" + strconv.Itoa(int(r.Fd())))
	if err != nil || data != "from a pipe" {
		t.Errorf("%q, %v", data, err)
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := errors.Join(os.WriteFile(big, nil, 0o644), os.Truncate(big, eval.MaxText+1)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{big, "/dev/zero"} {
		if _, err := osfs.ReadNamed(file); !errors.Is(err, eval.ErrTooBig) || !strings.Contains(err.Error(), "more than 32 MiB") {
			t.Errorf("%s: error %v", file, err)
		}
	}
	if err := os.Truncate(big, eval.MaxText); err != nil {
		t.Fatal(err)
	}
	if data, err := osfs.ReadNamed(big); len(data) != eval.MaxText || err != nil {
		t.Errorf("%d bytes, %v, want all that are permitted", len(data), err)
	}
	if data, err := osfs.ReadNamed("/proc/self/comm"); data != "osfs.test\n" || err != nil { // its size is 0
		t.Errorf("%q, %v", data, err)
	}
}

// TestPipeWithoutWriter: a named pipe that nobody writes to is refused, instead of being an
// empty text.
func TestPipeWithoutWriter(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := osfs.ReadNamed(pipe); err == nil || !strings.Contains(err.Error(), "pipe: it is a pipe, and no program writes to it") {
		t.Errorf("without a writer: %v", err)
	}
}
