package deb

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Control is the control part of a package.
type Control struct {
	// Stanza is the control file: lines "Field: value", and their continuations.
	Stanza string
	// Conffiles are the files that the administrator may change once they are
	// installed, in the form of [Entry.Name].
	Conffiles []string
	// MD5 has the MD5 sums of files, in hexadecimal, by [Entry.Name].
	MD5 map[string]string
	// Alternatives are the links that its script would have update-alternatives make.
	Alternatives []Alternative
}

// Field returns the value of a field of one line; "" if there is none.
func (c *Control) Field(name string) string {
	for line := range strings.Lines(c.Stanza) {
		field, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(field, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// maxControlFile bounds a file of the control part, in bytes. libc6 has 6 KB there, and
// its script 10.
const maxControlFile = 4 << 20

// readControl reads the control part, a tar archive.
func readControl(r io.Reader) (Control, error) {
	var c Control
	found, scripts := false, 0
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return c, truncated(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		name := path.Clean(h.Name)
		if name != "control" && name != "conffiles" && name != "postinst" && name != "md5sums" {
			continue
		}
		if h.Size > maxControlFile {
			return c, fmt.Errorf("its %s has %d bytes, more than %d", name, h.Size, maxControlFile)
		}
		data, err := io.ReadAll(io.LimitReader(t, maxControlFile+1))
		if err != nil {
			return c, truncated(err)
		}
		switch name {
		case "control":
			if found {
				return c, errors.New("it has two control files")
			}
			found = true
			if c.Stanza, err = stanza(string(data)); err != nil {
				return c, err
			}
		case "conffiles":
			for line := range strings.Lines(string(data)) {
				// "remove-on-upgrade /etc/x" is about a file that the package no longer has.
				if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
					c.Conffiles = append(c.Conffiles, MergeUsr(strings.TrimPrefix(path.Clean(line), "/")))
				}
			}
		case "md5sums":
			c.MD5 = map[string]string{}
			for line := range strings.Lines(string(data)) {
				if sum, file, ok := strings.Cut(strings.TrimRight(line, "\n"), "  "); ok && len(sum) == 32 {
					c.MD5[MergeUsr(strings.TrimPrefix(file, "./"))] = sum
				}
			}
		case "postinst":
			if scripts++; scripts == 1 {
				c.Alternatives = readAlternatives(string(data))
			}
		}
	}
	if !found {
		return c, errors.New("it has no control file")
	}
	return c, nil
}

// stanza checks that text is exactly one stanza, because it is going to stand in a
// file of many.
func stanza(text string) (string, error) {
	text = strings.Trim(text, "\n")
	switch {
	case !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r"):
		return "", errors.New("its control file is not text")
	case strings.Contains(text, "\n\n"):
		return "", errors.New("its control file has an empty line")
	}
	for i, line := range strings.Split(text, "\n") {
		field, _, ok := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			if i == 0 || strings.TrimSpace(line) == "" {
				return "", fmt.Errorf("line %d of its control file continues nothing", i+1)
			}
		case !ok || field == "" || strings.ContainsAny(field, " \t"):
			return "", fmt.Errorf("line %d of its control file is not a field: %q", i+1, line)
		}
	}
	return text + "\n", nil
}

// An Alternative is a package's offer for a path that several packages can provide: a
// link at Link to Path. The one with the highest priority wins.
type Alternative struct {
	Link, Path string // in the form of Entry.Name: "usr/bin/awk", "usr/bin/mawk"
	Priority   int
}

// readAlternatives finds a script's calls of update-alternatives --install. The script
// is not run, so a call with variables in its paths is ignored.
func readAlternatives(script string) []Alternative {
	var out []Alternative
	script = strings.NewReplacer("\\\n", " ", ";", "\n", "&&", "\n").Replace(script)
	for line := range strings.Lines(script) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		words := strings.Fields(strings.NewReplacer(`"`, "", `'`, "").Replace(line))
		at := slices.IndexFunc(words, func(w string) bool { return path.Base(w) == "update-alternatives" })
		if at < 0 {
			continue
		}
		words = words[at+1:]
		priority := 0
		for len(words) > 0 {
			word := words[0]
			words = words[1:]
			switch {
			case word == "--install" && len(words) >= 4:
				n, err := strconv.Atoi(words[3])
				if err != nil {
					words = nil
					break
				}
				priority = n
				out = addAlternative(out, words[0], words[2], priority)
				words = words[4:]
			case word == "--slave" && len(words) >= 3:
				out = addAlternative(out, words[0], words[2], priority)
				words = words[3:]
			}
		}
	}
	order := func(a, b Alternative) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), b.Priority-a.Priority, strings.Compare(a.Path, b.Path))
	}
	sort.SliceStable(out, func(i, j int) bool { return order(out[i], out[j]) < 0 })
	return slices.Compact(out)
}

func addAlternative(to []Alternative, link, target string, priority int) []Alternative {
	for _, p := range []string{link, target} {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "$`*?()") || path.Clean(p) != p {
			return to
		}
	}
	a := Alternative{MergeUsr(link[1:]), MergeUsr(target[1:]), priority}
	if a.Link == a.Path {
		return to
	}
	return append(to, a)
}
