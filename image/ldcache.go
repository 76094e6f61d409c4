package image

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"sort"
	"strings"
)

// This file does what ldconfig does: it decides which shared object is found under
// which name, and writes /etc/ld.so.cache. The result depends on the files alone.

// An ldEntry is an entry of the cache.
type ldEntry struct {
	name, path string
	flags      int32
}

// ldFlags returns the flags of glibc's libraries in the cache, by architecture.
func ldFlags(arch string) (machine elf.Machine, flags int32, err error) {
	switch arch {
	case "amd64":
		return elf.EM_X86_64, 0x0303, nil
	case "arm64":
		return elf.EM_AARCH64, 0x0a03, nil
	}
	return 0, 0, fmt.Errorf("not supported: an image for the architecture %q (amd64 and arm64 are)", arch)
}

// An ldCandidate is a file in a folder of libraries.
type ldCandidate struct {
	base   string
	isLink bool
	lib    *library // facts of the file, or of the one that the link leads to
}

// ldFolder chooses the libraries of a folder as ldconfig does: a file is preferred to a
// link, and of two files the one with the higher version. It also returns links to them
// that are missing.
func ldFolder(dir string, files []ldCandidate, machine elf.Machine, flags int32) (entries []ldEntry, links map[string]string) {
	type choice struct {
		base   string
		isLink bool
	}
	chosen := map[string]choice{}
	sort.SliceStable(files, func(i, j int) bool { return files[i].base < files[j].base })
	for _, f := range files {
		if f.lib == nil || f.lib.Machine != machine || f.lib.Class != elf.ELFCLASS64 {
			continue
		}
		soname, isLink := cmp.Or(f.lib.Soname, f.base), f.isLink
		if isLink {
			// A link counts as a link if its name is the SONAME, or the linker's name
			// "libx.so". Any other one counts as a file.
			if f.base != soname && !(strings.HasSuffix(f.base, ".so") && strings.HasPrefix(soname, f.base)) {
				isLink = false
			}
		}
		if isLink {
			soname = f.base
		}
		before, ok := chosen[soname]
		if !ok || !isLink && before.isLink || isLink == before.isLink && compareLibraries(before.base, f.base) < 0 {
			chosen[soname] = choice{f.base, isLink}
		}
	}
	have := map[string]bool{}
	for _, f := range files {
		have[f.base] = true
	}
	links = map[string]string{}
	for soname, c := range chosen {
		if !c.isLink && !have[soname] {
			links[soname] = c.base
		}
		entries = append(entries, ldEntry{soname, path.Join(dir, soname), flags})
	}
	return entries, links
}

// compareLibraries compares names in the order of the cache, in which the loader does a
// binary search: digits are compared as numbers, and sort after all else.
func compareLibraries(a, b string) int {
	digit := func(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }
	number := func(s string) (int32, string) {
		n := int32(0) // the loader's arithmetic, with its overflow
		for digit(s) {
			n = n*10 + int32(s[0]-'0')
			s = s[1:]
		}
		return n, s
	}
	for a != "" {
		switch {
		case digit(a) && digit(b):
			var x, y int32
			x, a = number(a)
			y, b = number(b)
			if x != y {
				return cmp.Compare(x, y)
			}
		case digit(a):
			return 1
		case digit(b):
			return -1
		case b == "" || a[0] != b[0]:
			if b == "" {
				return 1
			}
			return int(a[0]) - int(b[0])
		default:
			a, b = a[1:], b[1:]
		}
	}
	if b != "" {
		return -1
	}
	return 0
}

// ldCache encodes the cache. Of several entries with one name the loader takes the first,
// so these stay in the order of the folders.
func ldCache(entries []ldEntry) []byte {
	entries = slices.Clone(entries)
	sort.SliceStable(entries, func(i, j int) bool {
		a, b := entries[i], entries[j]
		return cmp.Or(-compareLibraries(a.name, b.name), -cmp.Compare(a.flags, b.flags)) < 0
	})
	const headSize, entrySize = 48, 24
	var text []byte
	at := map[string]uint32{}
	place := func(s string) uint32 {
		off, ok := at[s]
		if !ok {
			off = uint32(headSize + entrySize*len(entries) + len(text))
			at[s] = off
			text = append(append(text, s...), 0)
		}
		return off
	}
	var table []byte
	le := binary.LittleEndian
	for _, e := range entries {
		table = le.AppendUint32(table, uint32(e.flags))
		table = le.AppendUint32(table, place(e.name))
		table = le.AppendUint32(table, place(e.path))
		table = le.AppendUint32(table, 0) // required kernel version
		table = le.AppendUint64(table, 0) // required features of the processor
	}
	out := []byte("glibc-ld.so.cache1.1")
	out = le.AppendUint32(out, uint32(len(entries)))
	out = le.AppendUint32(out, uint32(len(text)))
	out = append(out, 2, 0, 0, 0)          // little-endian
	out = append(out, make([]byte, 16)...) // no extensions
	return append(append(out, table...), text...)
}

// ldFolders returns the folders that the loader searches, in its order: those of the
// configuration, then its own.
func ldFolders(conf []string, arch string) []string {
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[arch]
	var dirs []string
	for _, text := range conf {
		for line := range strings.Lines(text) {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
				dirs = append(dirs, path.Clean(line))
			}
		}
	}
	return append(dirs, "/lib/"+triplet, "/usr/lib/"+triplet, "/lib", "/usr/lib")
}
