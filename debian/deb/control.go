package deb

import (
	"archive/tar"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Control is what a package says of itself.
type Control struct {
	// Stanza is its control file: lines "Field: value", and their continuations.
	Stanza string
	// Conffiles are the files that belong to the administrator once they are
	// installed, as the names of entries are.
	Conffiles []string
	// MD5 are the sums of its files, in hexadecimal, by the names of entries.
	MD5 map[string]string
	// Alternatives are the links that its script would ask update-alternatives for.
	Alternatives []Alternative
}

// Field is the value of a field of one line; "" when it is not there.
func (c *Control) Field(name string) string {
	for line := range strings.Lines(c.Stanza) {
		field, value, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(field, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// maxControlFile is the most that a file of the control part may have; that of
// libc6 has 6 KB, and its script 10.
const maxControlFile = 4 << 20

// readControl reads the control part.
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
				// "remove-on-upgrade /etc/x" is of a file that the package no longer has.
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

// stanza checks that text is one stanza, as others put it into a file of many.
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

// An Alternative is one way to provide a path that several packages can
// provide: a link to Path is to stand at Link. Of several the one with the
// highest priority wins.
type Alternative struct {
	Link, Path string // names of entries: "usr/bin/awk", "usr/bin/mawk"
	Priority   int
}

// readAlternatives finds what a script would say to update-alternatives, as far
// as it says so in plain words. The script is not run: a line with a variable in
// its paths is passed over.
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
	slices.SortFunc(out, func(a, b Alternative) int {
		return cmp.Or(strings.Compare(a.Link, b.Link), b.Priority-a.Priority, strings.Compare(a.Path, b.Path))
	})
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
