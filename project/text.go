package project

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Text is a string with places in it that are known only on the machine that uses it:
// where packages are, which folder is the root. Package stage resolves it.
//
// In JSON a text of one literal is a string, any other a list of strings and one-field
// objects: ["--dir=", {"root": "data"}].
type Text []Part

// A Part is one piece of a Text. Exactly one field is set, but for Replicas, which says
// where a Literal comes from; the zero value is an empty literal. A path in Package.Sub, Root, State or Run is relative to the place: it is
// empty or begins with a slash.
type Part struct {
	Literal string
	Package *PackagePart // a path inside a package
	Root    *string      // the definition's folder; the working directory in a container
	State   *string      // nix2gpu's folder that outlives a run: logs, marks of set-up work
	Run     *string      // nix2gpu's folder of this run: sockets, pid files
	File    *string      // the path of a generated file, by its name in Project.Files
	Self    bool         // the nix2gpu binary
	Secret  *string      // the content of the named secret, without the line end: of Project.Secrets

	SecretFile *string // the path of the named secret's file, which is there while the process runs

	Replicas *ReplicasPart // Literal is of this form, for each replica of a service

	// Without are files and folders below the path that the text is: whoever copies it
	// leaves them out. Only the first part has it.
	Without []string
}

// PackagePart is a path inside a package: Attr "python3", Sub "/bin/python".
type PackagePart struct {
	Attr string `json:"package"`
	Sub  string `json:"sub,omitempty"`
}

// Lit returns a text of one literal.
func Lit(s string) Text { return Text{{Literal: s}} }

// RootPath returns a path below the root; sub is "" or starts with a slash.
func RootPath(sub string) Text { return Text{{Root: &sub}} }

// RunPath returns a path below the run folder; sub is "" or starts with a slash.
func RunPath(sub string) Text { return Text{{Run: &sub}} }

// FilePath returns the path of the generated file of that name.
func FilePath(name string) Text { return Text{{File: &name}} }

// PackagePath returns a path inside a package; sub is "" or starts with a slash.
func PackagePath(attr, sub string) Text { return Text{{Package: &PackagePart{attr, sub}}} }

// SecretContent returns the content of the secret of that name.
func SecretContent(name string) Text { return Text{{Secret: &name}} }

// SecretPath returns the path of the file of the secret of that name.
func SecretPath(name string) Text { return Text{{SecretFile: &name}} }

// Self returns the path of the nix2gpu binary.
func Self() Text { return Text{{Self: true}} }

// Join concatenates texts and merges adjacent literals. It copies its arguments.
func Join(texts ...Text) Text {
	var out Text
	for _, t := range texts {
		for _, p := range t {
			if n := len(out); n > 0 && p.isPlain() && out[n-1].isPlain() {
				out[n-1].Literal += p.Literal
				continue
			}
			out = append(out, p)
		}
	}
	return out
}

// IsLiteral reports whether p is plain characters.
func (p Part) IsLiteral() bool {
	return p.Package == nil && p.Root == nil && p.State == nil && p.Run == nil &&
		p.File == nil && !p.Self && p.Secret == nil && p.SecretFile == nil
}

// isPlain reports whether p is nothing but characters.
func (p Part) isPlain() bool { return p.IsLiteral() && p.Replicas == nil && len(p.Without) == 0 }

// Literal returns t's characters, and whether t is nothing but them.
func (t Text) Literal() (string, bool) {
	var b strings.Builder
	for _, p := range t {
		if !p.IsLiteral() {
			return "", false
		}
		b.WriteString(p.Literal)
	}
	return b.String(), true
}

// IsEmpty reports whether t stands for no characters at all.
func (t Text) IsEmpty() bool {
	s, ok := t.Literal()
	return ok && s == ""
}

// Packages lists the package attributes that t names, in order, with repeats.
func (t Text) Packages() []string {
	var attrs []string
	for _, p := range t {
		if p.Package != nil {
			attrs = append(attrs, p.Package.Attr)
		}
	}
	return attrs
}

// String returns t for people, with places in angle brackets. It masks nothing: the
// content of a Secret is not in a Text, but a literal may be one (see [MaskString]).
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t {
		switch {
		case p.Package != nil:
			b.WriteString("<" + p.Package.Attr + ">" + p.Package.Sub)
		case p.Root != nil:
			b.WriteString("." + *p.Root)
		case p.State != nil:
			b.WriteString("<state>" + *p.State)
		case p.Run != nil:
			b.WriteString("<run>" + *p.Run)
		case p.File != nil:
			b.WriteString("<file " + *p.File + ">")
		case p.Self:
			b.WriteString("nix2gpu")
		case p.Secret != nil:
			b.WriteString("<secret " + *p.Secret + ">")
		case p.SecretFile != nil:
			b.WriteString("<secrets>/" + *p.SecretFile)
		default:
			b.WriteString(p.Literal)
		}
	}
	return b.String()
}

// partJSON is the JSON of a Part that is not a literal.
type partJSON struct {
	Package *string `json:"package,omitempty"`
	Sub     string  `json:"sub,omitempty"` // of Package
	Root    *string `json:"root,omitempty"`
	State   *string `json:"state,omitempty"`
	Run     *string `json:"run,omitempty"`
	File    *string `json:"file,omitempty"`
	Self    bool    `json:"self,omitempty"`
	Secret  *string `json:"secret,omitempty"`

	SecretFile *string `json:"secretFile,omitempty"`

	Replicas *ReplicasPart `json:"replicas,omitempty"`
	Literal  string        `json:"literal,omitempty"` // of Replicas, or with Without
	Without  []string      `json:"without,omitempty"`
}

// MarshalJSON writes a string when t is one literal or empty, else a list.
func (t Text) MarshalJSON() ([]byte, error) {
	made := slices.ContainsFunc(t, func(p Part) bool { return p.IsLiteral() && !p.isPlain() })
	if s, ok := t.Literal(); ok && !made {
		return marshal(s)
	}
	list := make([]any, len(t))
	for i, p := range t {
		if p.isPlain() {
			list[i] = p.Literal
			continue
		}
		j := partJSON{Root: p.Root, State: p.State, Run: p.Run, File: p.File, Self: p.Self, Secret: p.Secret, SecretFile: p.SecretFile, Replicas: p.Replicas, Without: p.Without}
		if p.IsLiteral() {
			j.Literal = p.Literal
		}
		if p.Package != nil {
			j.Package, j.Sub = &p.Package.Attr, p.Package.Sub
		}
		list[i] = j
	}
	return marshal(list)
}

// UnmarshalJSON reads what MarshalJSON writes, and rejects anything else.
func (t *Text) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	*t = nil
	if s, ok := plainString(data); ok {
		*t = Lit(s)
		return nil
	}
	if len(data) > 0 && data[0] == '"' {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = Lit(s)
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("a text must be a string or a list of parts: %v", err)
	}
	for _, raw := range list {
		part, err := unmarshalPart(raw)
		if err != nil {
			return err
		}
		*t = append(*t, part)
	}
	return nil
}

// plainString returns what a JSON string stands for, without another look by a parser. ok is
// false if it takes one.
func plainString(data []byte) (s string, ok bool) {
	end := len(data) - 1
	if end < 1 || data[0] != '"' || data[end] != '"' || !utf8.Valid(data) {
		return "", false
	}
	for _, c := range data[1:end] {
		if c < ' ' || c == '"' || c == '\\' {
			return "", false
		}
	}
	return string(data[1:end]), true
}

// plainPlace returns the part that {"root": "/x"} and its like stand for, which are most,
// again without a parser. ok is false if it takes one.
func plainPlace(raw []byte) (p Part, ok bool) {
	rest, ok := bytes.CutPrefix(raw, []byte(`{"`))
	name, rest, cut := bytes.Cut(rest, []byte(`":`))
	value, end := bytes.CutSuffix(rest, []byte("}"))
	s, plain := plainString(value)
	if !ok || !cut || !end || !plain {
		return Part{}, false
	}
	switch string(name) {
	case "root":
		p.Root = &s
	case "state":
		p.State = &s
	case "run":
		p.Run = &s
	case "file":
		p.File = &s
	default:
		return Part{}, false
	}
	return p, true
}

func unmarshalPart(raw json.RawMessage) (Part, error) {
	if s, ok := plainString(raw); ok {
		return Part{Literal: s}, nil
	}
	if p, ok := plainPlace(raw); ok {
		return p, nil
	}
	if len(raw) > 0 && raw[0] == '"' {
		var s string
		err := json.Unmarshal(raw, &s)
		return Part{Literal: s}, err
	}
	var j partJSON
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return Part{}, fmt.Errorf("part of a text: %v", err)
	}
	p := Part{Root: j.Root, State: j.State, Run: j.Run, File: j.File, Self: j.Self, Secret: j.Secret, SecretFile: j.SecretFile, Replicas: j.Replicas, Without: j.Without}
	if j.Package != nil {
		p.Package = &PackagePart{*j.Package, j.Sub}
	}
	if p.IsLiteral() {
		p.Literal = j.Literal
	}
	if p.isPlain() {
		return Part{}, fmt.Errorf("part of a text must name a place: %s", raw)
	}
	return p, nil
}

// A Value is the text of a variable, which may have to be hidden.
type Value struct {
	Text   Text `json:"text"`
	Secret bool `json:"secret,omitempty"` // masked wherever it is shown
}
