package stage

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nix2gpu/gpu"
	"nix2gpu/packages"
	"nix2gpu/project"
)

// findProgram finds the program name as execvp does. If user can't execute it, the
// error says precisely what is wrong.
func findProgram(name, searchPath, cwd string, user *account) (string, error) {
	if name == "" {
		return "", &Error{Kind: NoCommand, Msg: "the command is empty", Hint: "write one"}
	}
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(cwd, path)
		}
		return path, checkProgram(name, path, user)
	}
	var found error
	for _, dir := range filepath.SplitList(searchPath) {
		path := filepath.Join(cmp.Or(dir, "."), name)
		if !filepath.IsAbs(path) {
			path = filepath.Join(cwd, path)
		}
		info, err := os.Stat(path)
		if err != nil || info.IsDir() {
			continue
		}
		err = checkProgram(name, path, user)
		if err == nil {
			return path, nil
		}
		found = cmp.Or(found, err) // a better one may come later in PATH
	}
	if found != nil {
		return "", found
	}
	return "", &Error{Kind: NoCommand, Msg: fmt.Sprintf("command %q does not exist", name), Hint: cureFor(name, searchPath), cause: fs.ErrNotExist}
}

// findProgram is like the function, but has its own error for nvidia-smi: that comes
// with the driver of a GPU, and nobody installs it into a container.
func (s *Stage) findProgram(name, searchPath, cwd string, user *account) (string, error) {
	if s.looking && !user.other && !strings.Contains(name, "/") {
		key := search{name, searchPath, cwd}
		if path, known := s.found[key]; known {
			return path, nil
		}
		path, err := s.findAnew(name, searchPath, cwd, user)
		if err == nil {
			s.found[key] = path
		}
		return path, err
	}
	return s.findAnew(name, searchPath, cwd, user)
}

// A search is one that a Stage which only looks need not do again: hundreds of services
// may have the same program.
type search struct{ name, path, cwd string }

func (s *Stage) findAnew(name, searchPath, cwd string, user *account) (string, error) {
	path, err := findProgram(name, searchPath, cwd, user)
	if name == gpu.Program && isKind(err, NoCommand) {
		e := gpu.Absent(s.inside)
		found := &Error{Kind: NoGPU, Msg: e.Msg, Hint: e.Hint, cause: fs.ErrNotExist}
		if s.inside { // one line says it all
			found.Msg, found.Hint = e.InLine(), ""
		}
		return path, found
	}
	return path, err
}

// lacksGPU returns an error if a shell line runs nvidia-smi, perhaps among other
// programs, and it is missing.
func (s *Stage) lacksGPU(cmd project.Command, argv []string, searchPath, cwd string, user *account) *Error {
	if !slices.ContainsFunc(argv[1:], func(arg string) bool { return strings.Contains(arg, gpu.Program) }) || !slices.Contains(packages.Programs(cmd), gpu.Program) {
		return nil
	}
	_, err := s.findProgram(gpu.Program, searchPath, cwd, user)
	var lacks *Error
	if !isKind(err, NoGPU) || !errors.As(err, &lacks) {
		return nil
	}
	return lacks
}

// cureFor returns what to do about a command that does not exist.
func cureFor(name, searchPath string) string {
	if name == "python" || name == "pip" { // Debian only has python3 and pip3
		for _, dir := range filepath.SplitList(searchPath) {
			if _, err := os.Stat(filepath.Join(dir, name+"3")); err == nil {
				return fmt.Sprintf("%q is there; or use ${pkgs.python3}/bin/%s, or apt-get install python-is-python3", name+"3", name)
			}
		}
	}
	if attr := packages.Owner(name); attr != "" {
		return fmt.Sprintf("%s, or use ${pkgs.%s}/bin/%s", packages.Cure(attr), attr, name)
	}
	return "install it, or name it by its full path"
}

func checkProgram(name, path string, user *account) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if target, linkErr := os.Readlink(path); linkErr == nil {
			return &Error{Kind: NoCommand, Msg: fmt.Sprintf("command %q is a link to %q, which does not exist", name, target),
				Hint: "install what it leads to, or name another program", Path: path, cause: err}
		}
		return &Error{Kind: NoCommand, Msg: fmt.Sprintf("command %q does not exist", name), Path: path, cause: err}
	case err != nil:
		return fileError(NotExecutable, "cannot execute", path, err)
	case info.IsDir():
		return &Error{Kind: NotExecutable, Msg: fmt.Sprintf("command %q is a folder", name), Hint: "name the program in it"}
	case !user.may(info, 1):
		return &Error{Kind: NotExecutable, Msg: fmt.Sprintf("command %q is not executable", name), Hint: "chmod +x " + path, cause: fs.ErrPermission}
	}
	if !user.confined() {
		return checkInterpreter(name, path)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if folder := user.closed(real); folder != "" {
			return closedError("command", real, folder, user)
		}
	}
	return checkInterpreter(name, path)
}

// checkInterpreter looks for the interpreter that the first bytes of a program name.
// If it is missing, the kernel says "no such file or directory" of a program that
// plainly exists.
func checkInterpreter(name, path string) error {
	// Not by os.Open, which asks five times whether a program is something to wait for.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil // a program may be executable without being readable
	}
	defer unix.Close(fd)
	head := make([]byte, 256)
	n, err := 0, error(unix.EINTR)
	for err == unix.EINTR {
		n, err = unix.Read(fd, head)
	}
	head = head[:max(0, n)]
	switch {
	case bytes.HasPrefix(head, []byte("#!")):
		line := string(head[2:])
		if end := strings.IndexByte(line, '\n'); end >= 0 {
			line = line[:end+1]
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			return nil
		}
		if strings.HasSuffix(line, "\r\n") {
			return &Error{Kind: NoInterpreter, Msg: fmt.Sprintf("command %q has Windows line endings, so its interpreter %q does not exist", name, words[0]+"\r"),
				Hint: "sed -i 's/\\r$//' " + path}
		}
		if _, err := os.Stat(words[0]); err != nil {
			return &Error{Kind: NoInterpreter, Msg: fmt.Sprintf("command %q needs interpreter %q, which does not exist", name, words[0]), cause: err}
		}
	case bytes.HasPrefix(head, []byte(elf.ELFMAG)):
		return checkLoader(name, preadFile(fd), head)
	default:
		return &Error{Kind: NoFormat, Msg: fmt.Sprintf("command %q is neither a program nor a script that begins with \"#!\"", name),
			Hint: "begin it with #!/bin/sh"}
	}
	return nil
}

// A preadFile is a descriptor that is read at offsets. It takes neither memory nor a
// finalizer, as an *os.File does.
type preadFile int

func (fd preadFile) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		m, err := unix.Pread(int(fd), b[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, err
		case m == 0:
			return n, io.EOF
		default:
			n += m
		}
	}
	return n, nil
}

// checkLoader looks for the loader of a program that begins with head.
func checkLoader(name string, f io.ReaderAt, head []byte) error {
	loader := loaderOf(f, head)
	if loader == "" {
		return nil
	}
	if _, err := os.Stat(loader); err != nil {
		return &Error{Kind: NoInterpreter, Msg: fmt.Sprintf("command %q needs loader %q, which does not exist", name, loader),
			Hint: "the program was built for another system or libc", cause: err}
	}
	return nil
}

// loaderOf returns the loader that a program names; "" if it needs none, or if the kernel
// knows better. It is asked at each start, so it reads the table of segments alone:
// debug/elf reads all sections with their names, which took most of the time and memory of
// a look at a program.
func loaderOf(f io.ReaderAt, head []byte) string {
	var order binary.ByteOrder = binary.LittleEndian
	if len(head) < 64 {
		return ""
	}
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	var table int64
	var size, n int // of an entry, and their number
	var at, length func(entry []byte) uint64
	switch elf.Class(head[elf.EI_CLASS]) {
	case elf.ELFCLASS64:
		table, size, n = int64(order.Uint64(head[32:])), int(order.Uint16(head[54:])), int(order.Uint16(head[56:]))
		at = func(e []byte) uint64 { return order.Uint64(e[8:]) }
		length = func(e []byte) uint64 { return order.Uint64(e[32:]) }
	case elf.ELFCLASS32:
		table, size, n = int64(order.Uint32(head[28:])), int(order.Uint16(head[42:])), int(order.Uint16(head[44:]))
		at = func(e []byte) uint64 { return uint64(order.Uint32(e[4:])) }
		length = func(e []byte) uint64 { return uint64(order.Uint32(e[16:])) }
	default:
		return ""
	}
	const most = 4096 // of the table, and of a path
	if size < 32 || size < 56 && elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64 || size*n > most {
		return ""
	}
	entries := make([]byte, size*n)
	if _, err := f.ReadAt(entries, table); err != nil {
		return ""
	}
	for ; len(entries) > 0; entries = entries[size:] {
		if elf.ProgType(order.Uint32(entries)) != elf.PT_INTERP {
			continue
		}
		path := make([]byte, min(length(entries), most))
		if _, err := f.ReadAt(path, int64(at(entries))); err != nil {
			return ""
		}
		return strings.TrimRight(string(path), "\x00")
	}
	return ""
}
