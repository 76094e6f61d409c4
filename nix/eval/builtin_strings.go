package eval

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

func stringBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "toString", Args: []string{"x"}, first: 1, Global: true, toText: true,
			Doc: "A value as a string: false and null are \"\", true is \"1\", a list is its elements with spaces between them, " +
				"a path is its text, a set is what its __toString or outPath gives.",
			Fn: func(t *Thread, args []Value) Value { return t.ToString(args[0]) }},
		{Name: "stringLength", Args: []string{"s"}, first: 1, Doc: "The length of a string in bytes.",
			Fn: func(t *Thread, args []Value) Value { return MakeInt(int64(len(t.stringArg(args[0]).s))) }},
		{Name: "substring", Args: []string{"start", "len", "s"}, first: 1,
			Doc: "The len bytes of a string from start, counted from 0. It ends with the string when len is negative or too big.",
			Fn: func(t *Thread, args []Value) Value {
				start, n := t.Int(args[0]), t.Int(args[1])
				s := t.stringArg(args[2])
				if start < 0 {
					t.Throw("negative start position in 'substring'")
				}
				size := int64(len(s.s))
				start = min(start, size)
				if n < 0 || n > size-start {
					n = size - start
				}
				if start == 0 && n == size {
					return s
				}
				return StrContext(s.s[start:start+n], s.ctx)
			}},
		{Name: "concatStringsSep", Args: []string{"sep", "list"}, first: 1, Doc: "The strings of a list with sep between them.",
			Fn: func(t *Thread, args []Value) Value { return t.joinStrings(t.Str(args[0]), t.List(args[1]).elems) }},
		{Name: "replaceStrings", Args: []string{"from", "to", "s"},
			Doc: "A string in which each occurrence of a string of the list from is replaced by the one at the same place in the list to. " +
				"Where several fit, the first in the list is taken; what was put in is not looked at again.",
			Fn: replaceStrings},
		{Name: "match", Args: []string{"regex", "s"},
			Doc: "The groups of an extended POSIX regular expression if it matches the whole string, else null. A group that took no part is null.",
			Fn: func(t *Thread, args []Value) Value {
				re, s := t.regex(args[0]), t.Str(args[1])
				t.spend(wideBytes * len(s.s))
				if groups, ok := re.match(s.s); ok {
					return NewList(groups...)
				}
				return Null{}
			}},
		{Name: "split", Args: []string{"regex", "s"},
			Doc: "The parts of a string between the matches of an extended POSIX regular expression, and for each match the list of its groups.",
			Fn: func(t *Thread, args []Value) Value {
				re, s := t.regex(args[0]), t.Str(args[1])
				first := len(t.parts)
				t.spend(wideBytes * len(s.s))
				re.split(s.s, func(before string, groups []Value, matched bool) {
					t.step()
					t.checkList(len(t.parts) - first)
					t.parts = append(t.parts, t.newString(before, nil)) // without the context of s, as in Nix
					if matched {
						t.parts = append(t.parts, NewList(groups...))
					}
				})
				list := t.takeList(first)
				if len(list.elems) == 1 {
					list.elems[0] = s // which keeps its context
				}
				return list
			}},
		{Name: "compareVersions", Args: []string{"x", "y"},
			Doc: "-1 if version x is older than y, 1 if it is newer, else 0. Numbers are compared as numbers; pre comes before everything.",
			Fn: func(t *Thread, args []Value) Value {
				return MakeInt(int64(compareVersions(t.plainText(args[0]), t.plainText(args[1]))))
			}},
		{Name: "splitVersion", Args: []string{"s"}, Doc: "The components of a version: runs of digits and of letters.",
			Fn: func(t *Thread, args []Value) Value {
				var parts []string
				for rest := t.plainText(args[0]); ; {
					var part string
					if part, rest = nextVersionPart(rest); part == "" {
						return StringList(parts...)
					}
					t.step()
					t.checkList(len(parts))
					parts = append(parts, part)
				}
			}},
		{Name: "parseDrvName", Args: []string{"s"},
			Doc: "Splits a package name at the first dash that a digit or other non-letter follows: { name = \"nix\"; version = \"2.31\"; }.",
			Fn: func(t *Thread, args []Value) Value {
				name, version := parseDrvName(t.plainText(args[0]))
				return NewAttrs(2).Set("name", Str(name)).Set("version", Str(version)).Done()
			}},
	}
}

// stringArg forces an argument that is a string or can be used as one.
func (t *Thread) stringArg(v Value) *String { return t.coerce(t.Force(v), inAddition, t.Pos()) }

// wideBytes is how many bytes of memory a byte of a text takes while it is matched; see
// widen.
const wideBytes = 6

// maxRegex limits the length of a regular expression, in bytes, before it is compiled.
const maxRegex = 1 << 16

// regex returns the compiled form of a regular expression. It compiles each one once,
// since programs match in loops.
func (t *Thread) regex(v Value) *posixRegex {
	text := t.plainText(v)
	if re := t.ev.regexes[text]; re != nil {
		return re
	}
	if len(text) > maxRegex {
		t.raise(&Error{Pos: t.Pos(), Kind: KindSize,
			Msg: fmt.Sprintf("a regular expression of %d bytes, of which at most %d are permitted", len(text), maxRegex)})
	}
	re, err := compilePosix(text)
	if err != nil {
		t.Throw("invalid regular expression '%s': %v", text, err)
	}
	t.ev.regexes[text] = re
	return re
}

func replaceStrings(t *Thread, args []Value) Value {
	from, to := t.List(args[0]).elems, t.List(args[1]).elems
	if len(from) != len(to) {
		t.Throw("'from' and 'to' arguments passed to builtins.replaceStrings have different lengths")
	}
	old := make([]string, len(from))
	var first [256]int // the first string that begins with a byte, counted from 1; 0: none
	anywhere := 0      // the first empty string, which matches everywhere
	for i, v := range from {
		if old[i] = t.Text(v); old[i] == "" {
			anywhere = cmp.Or(anywhere, i+1)
		} else if at := &first[old[i][0]]; *at == 0 {
			*at = i + 1
		}
	}
	s := t.Str(args[2])
	ctx := s.ctx
	var out strings.Builder
	copied := 0 // everything before it is in out
	for p := 0; p <= len(s.s); {
		candidate := anywhere
		if p < len(s.s) && first[s.s[p]] > 0 && (anywhere == 0 || first[s.s[p]] < anywhere) {
			candidate = first[s.s[p]]
		}
		if candidate == 0 {
			p++
			continue
		}
		if t.step(); len(old) > 1024 {
			t.charge(int64(len(old) / 1024))
		}
		found := -1
		for i := candidate - 1; i < len(old); i++ {
			if strings.HasPrefix(s.s[p:], old[i]) {
				found = i
				break
			}
		}
		if found < 0 {
			p++
			continue
		}
		with := t.Str(to[found])
		t.grow(out.Len()+p-copied+len(with.s), p-copied+len(with.s))
		out.WriteString(s.s[copied:p])
		out.WriteString(with.s)
		ctx = ctx.Union(with.ctx)
		copied = p + len(old[found])
		if p = copied; old[found] == "" {
			p++ // the byte after an empty match stays
		}
	}
	if copied < len(s.s) {
		out.WriteString(s.s[copied:])
	}
	return StrContext(out.String(), ctx)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// nextVersionPart cuts the first component from a version.
func nextVersionPart(s string) (part, rest string) {
	s = strings.TrimLeft(s, ".-")
	if s == "" {
		return "", ""
	}
	end := 1
	if isDigit(s[0]) {
		for end < len(s) && isDigit(s[end]) {
			end++
		}
	} else {
		for end < len(s) && !isDigit(s[end]) && s[end] != '.' && s[end] != '-' {
			end++
		}
	}
	return s[:end], s[end:]
}

func compareVersions(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = nextVersionPart(a)
		y, b = nextVersionPart(b)
		switch {
		case versionPartLess(x, y):
			return -1
		case versionPartLess(y, x):
			return 1
		}
	}
	return 0
}

func versionPartLess(x, y string) bool {
	// As in Nix, what does not fit 32 bits is no number.
	xValue, xErr := strconv.ParseInt(x, 10, 32)
	yValue, yErr := strconv.ParseInt(y, 10, 32)
	xNumber, yNumber := xErr == nil, yErr == nil
	switch {
	case xNumber && yNumber:
		return xValue < yValue
	case x == "" && yNumber:
		return true
	case x == "pre" && y != "pre":
		return true
	case y == "pre":
		return false
	case yNumber: // letters come before numbers, as in 2.3a and 2.3.1
		return true
	case xNumber:
		return false
	}
	return x < y
}

func parseDrvName(s string) (name, version string) {
	for i := 0; i+1 < len(s); i++ {
		if c := s[i+1]; s[i] == '-' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
