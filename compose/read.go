package compose

import (
	"fmt"
	"slices"
	"strings"

	"nix2gpu/project"
	"nix2gpu/spelling"
)

// A reader collects errors and notes while a tree becomes a project.
type reader struct {
	errs  Errors
	notes []project.Note
}

func (r *reader) fail(pos project.Pos, format string, args ...any) {
	r.errs = append(r.errs, &Error{Pos: pos, Msg: fmt.Sprintf(format, args...)})
}

func (r *reader) failHint(pos project.Pos, hint, format string, args ...any) {
	r.errs = append(r.errs, &Error{Pos: pos, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *reader) note(service project.ID, pos project.Pos, format string, args ...any) {
	n := project.Note{Service: service, Pos: pos, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(r.notes, n) {
		r.notes = append(r.notes, n)
	}
}

// fields reads the keys of one object and remembers which were asked for: all others
// are errors.
type fields struct {
	r     *reader
	n     *node
	where string // "process \"web\"", for messages
	known []string
}

// fields begins to read n, which must be an object. A missing one counts as empty.
func (r *reader) fields(n *node, where string) *fields {
	if n == nil {
		n = &node{}
	}
	if n.kind != object && n.kind != null {
		r.fail(n.pos, "%s must be a map, not %s", where, n.kind)
		n = &node{kind: object, pos: n.pos}
	}
	return &fields{r: r, n: n, where: where}
}

// get marks the key as known and returns its value; nil if it is absent or null.
func (f *fields) get(key string) *node {
	f.known = append(f.known, key)
	n := f.n.get(key)
	if n == nil || n.kind == null {
		return nil
	}
	return n
}

// ignore marks keys that are accepted and have no effect here.
func (f *fields) ignore(keys ...string) { f.known = append(f.known, keys...) }

// internal marks keys that are in the schema of process-compose, and that it sets itself.
func (f *fields) internal(service project.ID, keys ...string) {
	for _, key := range keys {
		if f.get(key) != nil {
			f.r.note(service, f.keyPos(key), "%s has no effect: process-compose sets it itself", key)
		}
	}
}

// done reports all keys that were not asked for.
func (f *fields) done() {
	for _, fd := range f.n.fields {
		if slices.Contains(f.known, fd.key) || strings.HasPrefix(fd.key, "x-") {
			continue
		}
		hint := ""
		if near := spelling.Nearest(fd.key, f.known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		f.r.failHint(fd.pos, hint, "unknown key %q in %s", fd.key, f.where)
	}
}

// text reads a scalar; def if it is absent.
func (f *fields) text(key, def string) string {
	n := f.get(key)
	if n == nil {
		return def
	}
	if n.kind != scalar {
		f.r.fail(n.pos, "%s must be text, not %s", key, n.kind)
		return def
	}
	return n.text
}

func (f *fields) boolean(key string) bool {
	n := f.get(key)
	if n == nil {
		return false
	}
	if n.kind != scalar {
		f.r.fail(n.pos, "%s must be true or false, not %s", key, n.kind)
		return false
	}
	v, err := asBool(n.text)
	if err != nil {
		f.r.fail(n.pos, "%s %v", key, err)
	}
	return v
}

// number reads a whole number from low to high; def if it is absent.
func (f *fields) number(key string, def, low, high int) int {
	n := f.get(key)
	if n == nil {
		return def
	}
	if n.kind != scalar {
		f.r.fail(n.pos, "%s must be a whole number, not %s", key, n.kind)
		return def
	}
	v, err := asInt(n.text, low, high)
	if err != nil {
		f.r.fail(n.pos, "%s %v", key, err)
		return def
	}
	return v
}

// texts reads a list of scalars.
func (f *fields) texts(key string) []string {
	n := f.get(key)
	if n == nil {
		return nil
	}
	if n.kind != list {
		f.r.fail(n.pos, "%s must be a list, not %s", key, n.kind)
		return nil
	}
	var out []string
	for _, item := range n.items {
		if item.kind != scalar {
			f.r.fail(item.pos, "%s must be a list of texts, one is %s", key, item.kind)
			continue
		}
		out = append(out, item.text)
	}
	return out
}

// environment reads ["NAME=value"], or a map as in docker compose.
func (f *fields) environment(key string) map[string]string {
	n := f.get(key)
	if n == nil {
		return nil
	}
	out := map[string]string{}
	switch n.kind {
	case list:
		for _, item := range n.items {
			name, value, ok := strings.Cut(item.text, "=")
			if item.kind != scalar || !ok || name == "" {
				f.r.fail(item.pos, "%s must be a list of \"NAME=value\"", key)
				continue
			}
			out[name] = value
		}
	case object:
		for _, fd := range n.fields {
			if fd.value.kind != scalar && fd.value.kind != null {
				f.r.fail(fd.value.pos, "%s.%s must be text, not %s", key, fd.key, fd.value.kind)
				continue
			}
			out[fd.key] = fd.value.text
		}
	default:
		f.r.fail(n.pos, "%s must be a list of \"NAME=value\", not %s", key, n.kind)
	}
	return out
}

// pos returns the position of the key's value; that of the object if it is absent.
func (f *fields) pos(key string) project.Pos {
	if n := f.n.get(key); n != nil {
		return n.pos
	}
	return f.n.pos
}

// keyPos returns the position of the key itself.
func (f *fields) keyPos(key string) project.Pos {
	for _, fd := range f.n.fields {
		if fd.key == key {
			return fd.pos
		}
	}
	return f.n.pos
}
