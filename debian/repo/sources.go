package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nix2gpu/debian"
)

// A Source is an entry of apt's sources for binary packages.
type Source struct {
	File       string // the file that has it
	Line       int    // in deb822 the first line of the paragraph
	URLs       []string
	Suites     []string
	Components []string
	Arches     []string // empty: all
	// SignedBy is that field or option: files, fingerprints, or keys in ASCII armour.
	SignedBy        string
	CheckValidUntil bool
}

// ReadSources reads the apt sources below root. A machine without apt has none.
func ReadSources(root string) ([]Source, error) {
	var all []Source
	files := []string{"etc/apt/sources.list"}
	entries, err := os.ReadDir(filepath.Join(root, "etc/apt/sources.list.d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read apt's sources: %w", err)
	}
	for _, e := range entries {
		files = append(files, "etc/apt/sources.list.d/"+e.Name())
	}
	for _, name := range files {
		parse := ParseSourcesList
		switch filepath.Ext(name) {
		case ".list":
		case ".sources":
			parse = ParseSources
		default:
			continue // apt ignores it too
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read apt's sources: %w", err)
		}
		found, err := parse("/"+name, string(data))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// ParseSourcesList parses the one-line format: "deb [options] url suite component…".
// Errors begin with file and line.
func ParseSourcesList(file, text string) ([]Source, error) {
	var all []Source
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "deb-src" {
			continue
		}
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, number, fmt.Sprintf(format, args...))
		}
		if words[0] != "deb" {
			return nil, bad("%q must be deb or deb-src", words[0])
		}
		s := Source{File: file, Line: number, CheckValidUntil: true}
		rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "deb"))
		if inner, ok := strings.CutPrefix(rest, "["); ok {
			options, after, closed := strings.Cut(inner, "]")
			if !closed {
				return nil, bad("the options have no end: a \"]\" is missing")
			}
			rest = after
			for _, option := range strings.Fields(options) {
				key, value, ok := strings.Cut(option, "=")
				if !ok {
					return nil, bad("option %q must be name=value", option)
				}
				s.set(strings.ToLower(strings.TrimRight(key, "+-")), strings.ReplaceAll(value, ",", " "))
			}
		}
		words = strings.Fields(rest)
		if len(words) < 2 {
			return nil, bad("an entry needs a URL and a suite")
		}
		s.URLs, s.Suites, s.Components = words[:1], words[1:2], words[2:]
		if err := s.check(); err != nil {
			return nil, bad("%v", err)
		}
		all = append(all, s)
	}
	return all, nil
}

// ParseSources parses the format in paragraphs, deb822. Errors begin with file and line.
func ParseSources(file, text string) ([]Source, error) {
	var all []Source
	text, lines := withoutRemarks(text)
	at := 0
	for s := range debian.Stanzas([]byte(text)) {
		start := at + strings.Index(text[at:], string(s))
		at = start + len(s)
		start += len(s) - len(strings.TrimLeft(string(s), " \t\r\n"))
		line := lines[strings.Count(text[:start], "\n")]
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%s:%d: %s", file, line, fmt.Sprintf(format, args...))
		}
		if s.Get("Enabled") != "" && !yes(s.Get("Enabled")) {
			continue
		}
		types := strings.Fields(s.Get("Types"))
		if len(types) == 0 {
			return nil, bad("a paragraph without Types: deb")
		}
		if !slices.Contains(types, "deb") {
			continue
		}
		src := Source{File: file, Line: line, CheckValidUntil: true, URLs: strings.Fields(s.Get("URIs")), Suites: strings.Fields(s.Get("Suites")), Components: strings.Fields(s.Get("Components"))}
		for field, option := range map[string]string{"Architectures": "arch", "Signed-By": "signed-by", "Check-Valid-Until": "check-valid-until"} {
			if value := s.Get(field); value != "" {
				src.set(option, value)
			}
		}
		if len(src.URLs) == 0 || len(src.Suites) == 0 {
			return nil, bad("a paragraph needs URIs and Suites")
		}
		if err := src.check(); err != nil {
			return nil, bad("%v", err)
		}
		all = append(all, src)
	}
	return all, nil
}

// withoutRemarks removes comments: lines that begin with #, which deb822 allows even
// between the lines of a field. lines holds the numbers of the lines that stay.
func withoutRemarks(text string) (kept string, lines []int) {
	var b strings.Builder
	number := 0
	for line := range strings.Lines(text) {
		number++
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
			lines = append(lines, number)
		}
	}
	return b.String(), lines
}

// set sets an option, which has the same name in both formats.
func (s *Source) set(key, value string) {
	switch key {
	case "arch":
		s.Arches = strings.Fields(value)
	case "signed-by":
		s.SignedBy = value
	case "check-valid-until":
		s.CheckValidUntil = yes(value)
	}
}

func yes(value string) bool {
	return slices.Contains([]string{"yes", "true", "with", "on", "enable", "1"}, strings.ToLower(value))
}

// check applies apt's rule: a suite that ends in a slash is a folder and has no
// components; any other has at least one.
func (s *Source) check() error {
	for _, suite := range s.Suites {
		if strings.HasSuffix(suite, "/") != (len(s.Components) == 0) {
			return fmt.Errorf("suite %q: components are for suites that do not end in a slash, and those need them", suite)
		}
	}
	return nil
}
