package stage

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"strings"
	"testing"
)

// TestLoaderOf compares the loaders of this machine's programs with what debug/elf says.
func TestLoaderOf(t *testing.T) {
	named := 0
	for _, path := range []string{"/bin/sh", "/bin/bash", "/usr/bin/env", "/bin/ls", "/usr/bin/apt-get", "/sbin/ldconfig", os.Args[0]} {
		f, err := os.Open(path)
		if err != nil {
			continue // not on this machine
		}
		defer f.Close()
		want := ""
		program, err := elf.NewFile(f)
		if err != nil {
			continue
		}
		for _, s := range program.Progs {
			if s.Type == elf.PT_INTERP {
				text, _ := io.ReadAll(s.Open())
				want = strings.TrimRight(string(text), "\x00")
			}
		}
		head := make([]byte, 256)
		if _, err := f.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		if got := loaderOf(f, head); got != want {
			t.Errorf("%s: loader %q, want %q", path, got, want)
		} else if got != "" {
			named++
		}
	}
	if named == 0 {
		t.Error("no program of this machine names a loader")
	}
}

// TestLoaderOfOthers reads programs of other machines, and what only begins like one.
func TestLoaderOfOthers(t *testing.T) {
	program := func(class elf.Class, order binary.ByteOrder) []byte {
		b := make([]byte, 256)
		copy(b, elf.ELFMAG)
		b[elf.EI_CLASS], b[elf.EI_DATA] = byte(class), byte(elf.ELFDATA2LSB)
		if order == binary.BigEndian {
			b[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
		}
		const table, path = 64, 200
		if class == elf.ELFCLASS64 {
			order.PutUint64(b[32:], table)
			order.PutUint16(b[54:], 56)
			order.PutUint16(b[56:], 2)
			order.PutUint32(b[table+56:], uint32(elf.PT_INTERP))
			order.PutUint64(b[table+56+8:], path)
			order.PutUint64(b[table+56+32:], 9)
		} else {
			order.PutUint32(b[28:], table)
			order.PutUint16(b[42:], 32)
			order.PutUint16(b[44:], 2)
			order.PutUint32(b[table+32:], uint32(elf.PT_INTERP))
			order.PutUint32(b[table+32+4:], path)
			order.PutUint32(b[table+32+16:], 9)
		}
		copy(b[path:], "/lib/ldx\x00")
		return b
	}
	for _, class := range []elf.Class{elf.ELFCLASS32, elf.ELFCLASS64} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			b := program(class, order)
			if got := loaderOf(bytes.NewReader(b), b); got != "/lib/ldx" {
				t.Errorf("%v, %v: loader %q", class, order, got)
			}
			for n := range b { // cut, or with a byte that is as large as it can be
				loaderOf(bytes.NewReader(b[:n]), b[:n])
				odd := bytes.Clone(b)
				odd[n] = 0xff
				loaderOf(bytes.NewReader(odd), odd)
			}
		}
	}
}
