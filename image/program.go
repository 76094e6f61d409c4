package image

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// A program is our own binary for the image.
type program struct {
	file   string
	size   int64
	digest string
}

func (p *program) open() (io.ReadCloser, error) { return os.Open(p.file) }

// openProgram checks the file of our program: it must be for the architecture, and
// static, because it has to run in any image. The cache keeps its digest by the file's
// inode, size and time: when only the definition has changed, hashing it would be most
// of the work.
func openProgram(name, arch string, c *cache) (*program, error) {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(real)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p := &program{file: real, size: info.Size()}
	if err := checkProgram(f, arch); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	id := key("file", real, info.Size(), info.ModTime().UnixNano())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id = key("file", real, info.Size(), info.ModTime().UnixNano(), st.Dev, st.Ino, st.Ctim.Nano())
	}
	memo := c.factsFile(id)
	if data, err := os.ReadFile(memo); err == nil && json.Unmarshal(data, &p.digest) == nil && len(p.digest) == 64 {
		return p, nil
	}
	sum := &summer{Hash: sha256.New()}
	if _, err := io.Copy(sum, f); err != nil {
		return nil, err
	}
	p.digest = sum.digest()
	return p, c.write(memo, p.digest)
}

// checkProgram checks the headers of an executable.
func checkProgram(r io.ReaderAt, arch string) error {
	machine, _, err := ldFlags(arch)
	if err != nil {
		return err
	}
	e, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("it is not a program for Linux: %v", err)
	}
	defer e.Close()
	if e.Machine != machine || e.Class != elf.ELFCLASS64 || e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN {
		return fmt.Errorf("it is a program for %s, and the image is for %s", e.Machine, arch)
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("it is not static: build it with CGO_ENABLED=0")
		}
	}
	return nil
}
