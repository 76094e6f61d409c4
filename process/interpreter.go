package process

import (
	"bytes"
	"debug/elf"
	"io"
	"os"
	"strings"
)

// interpreterOf returns what the kernel needs to run a program and can't find: the program
// in its #! line, or its loader. It returns "" if it needs neither, or finds it.
func interpreterOf(program string) string {
	f, err := os.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	var interp string
	if line, ok := bytes.CutPrefix(head, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		if fields := strings.Fields(string(line)); len(fields) > 0 {
			interp = fields[0]
		}
		if bytes.HasSuffix(line, []byte("\r")) && interp != "" {
			interp += " followed by a carriage return"
			return interp
		}
	} else {
		interp = loaderOf(f)
	}
	if interp == "" {
		return ""
	}
	if _, err := os.Stat(interp); err == nil {
		return ""
	}
	return interp
}

func loaderOf(f *os.File) string {
	file, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, prog := range file.Progs {
		if prog.Type == elf.PT_INTERP && prog.Filesz < 4096 {
			name, err := io.ReadAll(prog.Open())
			if err == nil {
				return string(bytes.TrimRight(name, "\x00"))
			}
		}
	}
	return ""
}
