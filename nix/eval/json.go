package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// FromJSON parses a JSON text.
func (t *Thread) FromJSON(text string) Value {
	t.spend(len(text) + decodedBytes*separators(text))
	if !json.Valid([]byte(text)) {
		t.Throw("cannot parse JSON: %s", strings.TrimPrefix(whyInvalid(text).Error(), "json: "))
	}
	r := jsonReader{t: t, text: text, names: map[string]string{}}
	return r.value()
}

// whyInvalid returns what is wrong with a text that is no JSON.
func whyInvalid(text string) error {
	dec := json.NewDecoder(strings.NewReader(text))
	var doc json.RawMessage
	err := dec.Decode(&doc)
	switch {
	case err == nil:
		return errors.New("there is something after its end")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it ends too early")
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		before := text[:max(0, e.Offset-1)]
		line := strings.Count(before, "\n") + 1
		why := err.Error()
		if strings.HasSuffix(why, "exceeded max depth") {
			why = "arrays and objects nest more than 10000 levels deep"
		}
		return fmt.Errorf("%s (line %d, column %d)", why, line, len(before)-strings.LastIndexByte(before, '\n'))
	}
	return err
}

// A jsonReader makes values of a text that [json.Valid] has accepted, so nothing in it can
// be wrong but what the language has no value for.
type jsonReader struct {
	t     *Thread
	text  string
	at    int
	names map[string]string // the names of objects, each made once
	keys  []string          // those of the objects that are being read

	// The last object of several names: as its names were written, and in the order of a set.
	written []string
	shape   *shape
	order   []int // of the values, by the set's
}

func (r *jsonReader) value() Value {
	r.t.step()
	r.t.enter()
	var v Value
	switch r.next() {
	case '{':
		v = r.object()
	case '[':
		v = r.array()
	case '"':
		v = r.t.newString(r.quoted(), nil)
	case 't':
		v = Bool(true)
		r.at += len("true")
	case 'f':
		v = Bool(false)
		r.at += len("false")
	case 'n':
		v = Null{}
		r.at += len("null")
	default:
		v = r.number()
	}
	r.t.leave()
	return v
}

// next returns the next byte that is no space, and leaves it where it is.
func (r *jsonReader) next() byte {
	for {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return c
		}
	}
}

func (r *jsonReader) array() Value {
	first := len(r.t.parts)
	for r.at++; r.next() != ']'; {
		v := r.value()
		r.t.parts = append(r.t.parts, v)
		if r.next() == ',' {
			r.at++
		}
	}
	r.at++
	return r.t.takeList(first)
}

func (r *jsonReader) object() Value {
	first, firstKey := len(r.t.parts), len(r.keys)
	for r.at++; r.next() != '}'; {
		key := r.name()
		r.next() // the colon
		r.at++
		v := r.value()
		r.keys, r.t.parts = append(r.keys, key), append(r.t.parts, v)
		if r.next() == ',' {
			r.at++
		}
	}
	r.at++
	keys := r.keys[firstKey:]
	r.keys = r.keys[:firstKey]
	if len(keys) == 0 {
		return emptyAttrs
	}
	if !slices.Equal(keys, r.written) {
		r.arrange(keys)
	}
	set := r.t.newSet(r.shape, len(r.order))
	for i, k := range r.order {
		*set.slot(i) = r.t.parts[first+k]
	}
	r.t.dropParts(first)
	return set
}

// arrange works out the order of a set with these names. Of equal names the last counts.
func (r *jsonReader) arrange(keys []string) {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return strings.Compare(keys[i], keys[j]) })
	n := 0
	for i, k := range order {
		if i+1 < len(order) && keys[order[i+1]] == keys[k] {
			continue
		}
		order[n] = k
		n++
	}
	order = order[:n]
	s := &shape{names: make([]string, n)}
	for i, k := range order {
		s.names[i] = keys[k]
	}
	r.written, r.shape, r.order = slices.Clone(keys), s, order
}

// name reads the name of an attribute. Objects in an array mostly have the same ones.
func (r *jsonReader) name() string {
	if raw, ok := r.plain(); ok {
		name, known := r.names[raw]
		if !known {
			name = strings.Clone(raw)
			r.names[name] = name
		}
		return name
	}
	return r.quoted()
}

// plain reads a string without escapes, as a part of the text.
func (r *jsonReader) plain() (raw string, ok bool) {
	raw = r.text[r.at+1:]
	end := strings.IndexAny(raw, `"\`)
	if raw[end] == '\\' {
		return "", false
	}
	r.checkUTF8(raw[:end])
	r.at += end + 2
	return raw[:end], true
}

func (r *jsonReader) quoted() string {
	if raw, ok := r.plain(); ok {
		return strings.Clone(raw)
	}
	end := r.at + 1
	for ; r.text[end] != '"'; end++ {
		if r.text[end] == '\\' {
			end++
		}
	}
	raw := r.text[r.at : end+1]
	r.checkUTF8(raw)
	if s, ok := unescape(raw[1 : len(raw)-1]); ok {
		r.at = end + 1
		r.t.checkText(s)
		return s
	}
	var s string
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		r.t.Throw("cannot parse JSON: %v", err)
	}
	if strings.ContainsRune(s, utf8.RuneError) && hasHalfPair(raw) {
		r.t.Throw("cannot parse JSON: half of a surrogate pair in %s", raw)
	}
	r.at = end + 1
	r.t.checkText(s)
	return s
}

// unescape returns a string of JSON without its escapes, if each of these is one letter.
func unescape(raw string) (s string, ok bool) {
	var out strings.Builder
	out.Grow(len(raw))
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			out.WriteString(raw)
			return out.String(), true
		}
		k := strings.IndexByte(`"\/bfnrt`, raw[i+1])
		if k < 0 {
			return "", false
		}
		out.WriteString(raw[:i])
		out.WriteByte("\"\\/\b\f\n\r\t"[k])
		raw = raw[i+2:]
	}
}

// checkUTF8 rejects what encoding/json would replace.
func (r *jsonReader) checkUTF8(s string) {
	if !utf8.ValidString(s) {
		r.t.Throw("cannot parse JSON: a string that is not UTF-8: %q", s)
	}
}

// hasHalfPair reports whether a string of JSON has the escape of one half of a surrogate
// pair without the other, for which encoding/json puts U+FFFD.
func hasHalfPair(raw string) bool {
	unit := func(at int) rune {
		n, _ := strconv.ParseUint(raw[at:at+4], 16, 32)
		return rune(n)
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if i++; raw[i] != 'u' {
			continue
		}
		if first := unit(i + 1); utf16.IsSurrogate(first) {
			if !strings.HasPrefix(raw[i+5:], `\u`) || utf16.DecodeRune(first, unit(i+7)) == utf8.RuneError {
				return true
			}
			i += len(`XXXX\u`)
		}
		i += len("XXXX")
	}
	return false
}

func (r *jsonReader) number() Value {
	end := r.at
	for end < len(r.text) && strings.IndexByte("+-.0123456789Ee", r.text[end]) >= 0 {
		end++
	}
	v := r.t.jsonNumber(r.text[r.at:end])
	r.at = end
	return v
}
