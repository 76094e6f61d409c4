package eval_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"nix2gpu/nix/eval"
)

// underLimits evaluates with limits, and reports an error of the evaluator's own.
func underLimits(t *testing.T, f func(th *eval.Thread)) error {
	t.Helper()
	err := eval.New(eval.Options{MaxSteps: 200_000, MaxSize: 1 << 20}).Do(t.Context(), f)
	if e, ok := errors.AsType[*eval.Error](err); ok && e.Kind == eval.KindInternal {
		t.Errorf("%v\n%v", err, e.Unwrap())
	}
	return err
}

// refusals are what the language has no value for, though JSON or TOML does.
var refusals = regexp.MustCompile(`does not fit|zero byte|half of a surrogate pair|not UTF-8|nest more than|evaluation stopped|stack overflow|dates and times`)

// FuzzJSON: a text is a value exactly if it is JSON, the value is the one that Go reads, and
// as JSON it is read as the same again.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a": [1, -2.5e3, true, null, "x\u00e9\ud83d\ude00\n"], "": {}}`, `[[], {"b": 1, "b": 2}]`, ` 12345678901234567890 `, `"\ud800"`, "\"\xff\"",
		`-0`, `-0.0`, `1e400`, `1E-400`, `01`, `[1,]`, `{"a" 1}`, `"a` + "\x00" + `"`, `"\u0000"`, `nul`, ``, `9223372036854775807`, "\uFEFF1", `{"a":{"a":{"a":[[[0.1]]]}}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got any
		var again string
		err := underLimits(t, func(th *eval.Thread) {
			v := th.FromJSON(text)
			got = th.ToGo(v)
			if out := th.ToJSON(v).Text(); !isStringLike(got) {
				if again = th.ToJSON(th.FromJSON(out)).Text(); again != out {
					t.Errorf("%q is written as %s, and that as %s", text, out, again)
				}
			}
		})
		if valid := json.Valid([]byte(text)); valid != (err == nil) && !(err != nil && refusals.MatchString(err.Error())) {
			t.Errorf("%q: error %v, and that it is JSON is %t", text, err, valid)
		}
		if err != nil || isStringLike(got) {
			return
		}
		dec := json.NewDecoder(strings.NewReader(text))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want = numbers(want); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %#v, want %#v", text, got, want)
		}
	})
}

// isStringLike reports whether a value has a set that is written as a string.
func isStringLike(x any) bool {
	switch x := x.(type) {
	case []any:
		for _, e := range x {
			if isStringLike(e) {
				return true
			}
		}
	case map[string]any:
		for name, e := range x {
			if name == "outPath" || name == "__toString" || isStringLike(e) {
				return true
			}
		}
	}
	return false
}

// numbers makes numbers of JSON what they are in the language.
func numbers(x any) any {
	switch x := x.(type) {
	case json.Number:
		if !strings.ContainsAny(x.String(), ".eE") {
			if n, err := x.Int64(); err == nil {
				return n
			}
		}
		n, _ := x.Float64()
		return n
	case []any:
		for i := range x {
			x[i] = numbers(x[i])
		}
	case map[string]any:
		for name := range x {
			x[name] = numbers(x[name])
		}
	}
	return x
}

// FuzzTOML: whatever the text is, it is a value or an error with a place in it, and a value
// is written as JSON that has the same value.
func FuzzTOML(f *testing.F) {
	for _, seed := range []string{"a = 1\n[b.c]\nd = \"x\\u00e9\"\n[[e]]\nf = [1.5, inf, nan]\n", "a.b.'c d'.\"e.f\" = { g = 1, h.i = '''\n.\n''' }", "t = 1979-05-27T07:32:00Z", "n = 0xff_ff",
		"a = 1\na = 2", "[a]\n[a]", "a = \"\xff\"", "\uFEFFa = 1", "a = 9223372036854775808", "'' = 1 # \"", "a = \"\"\"\\\n  b\"\"\"", "a = [[[]], {}]\r\n", "a = \"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var got any
		var written string
		err := underLimits(t, func(th *eval.Thread) {
			v := th.Call(th.EvalText("toml", "builtins.fromTOML", "/", nil), eval.Str(text))
			got = th.ToGo(v)
			written = th.ToJSON(v).Text()
		})
		if err != nil {
			var doc map[string]any
			if toml.Unmarshal([]byte(text), &doc) == nil && !refusals.MatchString(err.Error()) && !strings.Contains(err.Error(), "cannot be represented in JSON") && !strings.Contains(err.Error(), "infinit") {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if isStringLike(got) || strings.Contains(strings.ToLower(text), "inf") || strings.Contains(strings.ToLower(text), "nan") {
			return // infinity is null in JSON
		}
		var again any
		if err := underLimits(t, func(th *eval.Thread) { again = th.ToGo(th.FromJSON(written)) }); err != nil && !refusals.MatchString(err.Error()) {
			t.Errorf("%q is written as %s: %v", text, written, err)
		} else if err == nil && !reflect.DeepEqual(got, again) {
			t.Errorf("%q is %#v, and as JSON %#v", text, got, again)
		}
	})
}

// FuzzXML: any value is written as well-formed XML, with all its texts.
func FuzzXML(f *testing.F) {
	for _, seed := range []string{`{"a": [1, true, null, 1.5], "<&\"'>": "\u0001\t\n ]]>é"}`, `"\r\n"`, `[{"a b": {}}]`, `{"": ""}`, `"\ufffe"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var out string
		var value any
		if underLimits(t, func(th *eval.Thread) {
			v := th.FromJSON(text)
			value = th.ToGo(v)
			out = th.ToXML(v, true).Text()
		}) != nil {
			return
		}
		var texts []string // of strings and names
		dec := xml.NewDecoder(strings.NewReader(out))
		for depth := 0; ; {
			token, err := dec.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				if !writable(value) {
					return // XML has no way to write some characters, and Nix writes them as they are
				}
				t.Fatalf("%q is written as %s: %v", text, out, err)
			}
			switch token := token.(type) {
			case xml.StartElement:
				for _, attr := range token.Attr {
					if token.Name.Local == "string" || token.Name.Local == "attr" && attr.Name.Local == "name" {
						texts = append(texts, attr.Value)
					}
				}
				depth++
			case xml.EndElement:
				depth--
			case xml.CharData:
				if strings.TrimSpace(string(token)) != "" {
					t.Errorf("%q is written with the text %q", text, token)
				}
			}
		}
		if isStringLike(value) || !writable(value) {
			return
		}
		want := map[string]int{}
		count(value, want)
		for _, s := range texts {
			want[s]--
		}
		for s, n := range want {
			if n != 0 {
				t.Errorf("%q: %q is written %d times too rarely in %s", text, s, n, out)
			}
		}
	})
}

// writable reports whether XML can have all characters of a value.
func writable(x any) bool {
	texts := map[string]int{}
	count(x, texts)
	for s := range texts {
		for _, r := range s {
			if r < ' ' && r != '\t' && r != '\n' || r == '\ufffe' || r == '\uffff' {
				return false
			}
		}
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// count counts the strings and names in a value.
func count(x any, texts map[string]int) {
	switch x := x.(type) {
	case string:
		texts[x]++
	case []any:
		for _, e := range x {
			count(e, texts)
		}
	case map[string]any:
		for name, e := range x {
			texts[name]++
			count(e, texts)
		}
	}
}

// FuzzRegex: an expression is refused or matches as what split finds of it; the parts that
// split returns are the text.
func FuzzRegex(f *testing.F) {
	for _, seed := range [][2]string{{"(a)|b", "xaybz"}, {"[[:alpha:]_]+", "ab 12 c_d"}, {"(x*)*", "xx"}, {"a{2,3}", "aaaa"}, {"^a|a$", "aba"}, {"[]a-]", "]-"}, {".", "é\n"}, {"(", ""}, {"a**", "aa"}, {"[^a\\]", "\\b"}, {"()", "ab"}, {"(a?)(b)?$", "ab"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 200 || len(text) > 2000 {
			return
		}
		var all []string
		var matches bool
		if underLimits(t, func(th *eval.Thread) {
			v := th.Call(th.EvalText("match", `re: s: { m = builtins.match re s != null; parts = builtins.split re s; whole = builtins.split ("(" + re + ")") s; }`, "/", nil), eval.Str(pattern), eval.Str(text))
			matches = th.Bool(th.Select(v, "m"))
			// Around the whole expression, group 1 is what was found.
			for i, part := range list(th, th.Select(v, "whole")) {
				if i%2 == 1 {
					part = list(th, part)[0]
				}
				all = append(all, th.Text(part))
			}
			if n := len(list(th, th.Select(v, "parts"))); n != len(all) {
				t.Errorf("%q finds %d parts of %q, and %d in parentheses", pattern, n, text, len(all))
			}
		}) != nil {
			return
		}
		if joined := strings.Join(all, ""); joined != text {
			t.Errorf("%q splits %q into %q", pattern, text, all)
		}
		if whole := len(all) == 3 && all[0] == "" && all[2] == "" && all[1] == text; whole && !matches {
			t.Errorf("%q finds all of %q, and does not match it", pattern, text)
		}
	})
}

func list(th *eval.Thread, v eval.Value) (all []eval.Value) {
	l := th.List(v)
	for i := range l.Len() {
		all = append(all, th.Force(l.At(i)))
	}
	return all
}
