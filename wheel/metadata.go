package wheel

import (
	"fmt"
	"net/textproto"
	"slices"
	"strings"
)

// Metadata is the content of a wheel's METADATA.
type Metadata struct {
	Name           string // normalized
	Version        Version
	RequiresPython string
	Requires       []*Requirement
	License        License
}

// A License is the licence in METADATA: an SPDX expression or, in older wheels, a name or
// the whole text, or classifiers.
type License struct {
	Expression string `json:"expression,omitempty"`
	Text       string `json:"text,omitempty"`
	// Classified has the names of licences in classifiers, one a line: "MIT License".
	Classified string `json:"classified,omitempty"`
}

// classify adds the licence that a classifier names, if it names one.
func (l *License) classify(classifier string) {
	parts := strings.Split(classifier, "::")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	name := parts[len(parts)-1]
	if parts[0] != "License" || len(parts) < 2 || name == "" || name == "OSI Approved" || slices.Contains(strings.Split(l.Classified, "\n"), name) {
		return
	}
	l.Classified = strings.TrimPrefix(l.Classified+"\n"+name, "\n")
}

// ParseMetadata parses METADATA: headers like those of an email, then a text that is
// ignored.
func ParseMetadata(data []byte) (*Metadata, error) {
	m := &Metadata{}
	for key, value := range headers(string(data)) {
		switch key {
		case "Name":
			if !IsName(value) {
				return nil, fmt.Errorf("its name is %q", value)
			}
			m.Name = Normalize(value)
		case "Version":
			var err error
			if m.Version, err = ParseVersion(value); err != nil {
				return nil, err
			}
		case "Requires-Python":
			m.RequiresPython = value
		case "Requires-Dist":
			r, err := ParseRequirement(value)
			if err != nil {
				return nil, fmt.Errorf("it requires %q: %w", value, err)
			}
			m.Requires = append(m.Requires, r)
		case "License":
			m.License.Text = value
		case "License-Expression":
			m.License.Expression = value
		case "Classifier":
			m.License.classify(value)
		}
	}
	if m.Name == "" || m.Version.String() == "" {
		return nil, fmt.Errorf("its METADATA has no name or no version")
	}
	return m, nil
}

// headers yields the headers, which end at the first empty line.
func headers(text string) func(yield func(key, value string) bool) {
	return func(yield func(key, value string) bool) {
		key, value := "", ""
		for line := range strings.Lines(text) {
			line = strings.TrimRight(line, "\r\n")
			if line != "" && (line[0] == ' ' || line[0] == '\t') {
				value += "\n" + strings.TrimSpace(line)
				continue
			}
			if key != "" && !yield(key, value) {
				return
			}
			if line == "" {
				return
			}
			k, v, _ := strings.Cut(line, ":")
			key, value = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(k)), strings.TrimSpace(v)
		}
		if key != "" {
			yield(key, value)
		}
	}
}

// Needs returns the requirements of the wheel on a target with some extras, each once,
// sorted.
func (m *Metadata) Needs(t Target, extras []string) []string {
	var out []string
	for _, r := range m.Requires {
		if r.Applies(t, extras...) {
			out = append(out, r.String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Layout is the content of the file WHEEL.
type Layout struct {
	Major, Minor int
}

// ParseLayout parses the file WHEEL. Purelib or platlib makes no difference: both are the
// same folder on Debian.
func ParseLayout(data []byte) (Layout, error) {
	for key, value := range headers(string(data)) {
		if key == "Wheel-Version" {
			var l Layout
			if _, err := fmt.Sscanf(value, "%d.%d", &l.Major, &l.Minor); err != nil {
				return l, fmt.Errorf("its Wheel-Version is %q", value)
			}
			return l, nil
		}
	}
	return Layout{}, fmt.Errorf("its file WHEEL names no Wheel-Version")
}

// A Script is a program that an entry point defines.
type Script struct {
	Name         string // the program's name
	Module, Attr string // what it calls: "package.cli" and "main"
}

// ParseEntryPoints returns the programs in entry_points.txt, in its order.
func ParseEntryPoints(data []byte) ([]Script, error) {
	var out []Script
	section := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' {
			section = strings.TrimSpace(strings.Trim(line, "[]"))
			continue
		}
		if section != "console_scripts" && section != "gui_scripts" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		value, _, _ = strings.Cut(value, "[") // the extras that it needs
		module, attr, called := strings.Cut(strings.TrimSpace(value), ":")
		s := Script{name, strings.TrimSpace(module), strings.TrimSpace(attr)}
		if !ok || !called || !isDotted(s.Module) || !isDotted(s.Attr) {
			return nil, fmt.Errorf("its entry point %q must be NAME = MODULE:FUNCTION", line)
		}
		if name == "" || strings.ContainsAny(name, "/\\\x00") || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
			return nil, fmt.Errorf("its entry point %q has no name for a program", line)
		}
		if slices.ContainsFunc(out, func(o Script) bool { return o.Name == name }) {
			continue // gui_scripts may name a program again
		}
		out = append(out, s)
	}
	return out, nil
}

// isDotted reports whether a text consists of Python identifiers with dots between them.
func isDotted(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' || strings.ContainsFunc(part, func(r rune) bool {
			return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
		}) {
			return false
		}
	}
	return true
}
