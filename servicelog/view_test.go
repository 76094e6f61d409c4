package servicelog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostileOutputs try to look like something else.
var hostileOutputs = []string{
	"\x1b]0;title\x07", "\x1b]52;c;aGk=\x07", "\x1b[2J\x1b[H[other] forged", "\x1b[1A\x1b[2K[other] up",
	"over\r[other] forged", "\u2028[other] x", "a\u202eb\u2066c", "nul\x00nul", "\x9b2J", "\u009b2J",
	"\xff\xfe", "\b\b\b\b[other] x", "\v\f", "\x1bc", "\x1b(0", "\x7f", "\x1b[31mred", "\x1b[38;5;1mred\x1b[K",
}

func show(t *testing.T, output string, f Format, c Color) string {
	t.Helper()
	lines, ends := frameAll([]byte(output), nil)
	var in []line
	for i := range lines {
		in = append(in, line{[]byte(lines[i]), ends[i]})
	}
	b, _ := newViewer("app", Stdout, style{format: f, color: c}).append(nil, in, time.Unix(0, 0))
	return string(b)
}

func TestHowLinesAreShown(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain\n", "[app] plain\n"},
		{"tab\there\n", "[app] tab\there\n"},
		{"dos\r\n", "[app] dos\n"},
		{"10%\r\r20%\n", "[app] 10%\n[app] 20%\n"},
		{"ünï 🙂\n", "[app] ünï 🙂\n"},
		{"\x1b[31mred\x1b[0m\n", "[app] \x1b[31mred\x1b[0m\x1b[0m\n"},
		{"\x1b[2Jx\x00\xff\n", "[app] ␛[2Jx\\x00\\xff\n"},
		{"\u202e\u009b\n", "[app] \\u202e\\u009b\n"},
		{"", ""},
		{"\n", "[app] \n"},
	} {
		if got := show(t, c.in, Text, ColorPass); got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLongLinesAreMarked(t *testing.T) {
	got := show(t, strings.Repeat("x", maxLine)+"yy\n", Text, ColorPass)
	want := "[app] " + strings.Repeat("x", maxLine) + "…\n[app] …yy\n"
	if got != want {
		t.Errorf("got %d bytes, ending in %q", len(got), got[max(0, len(got)-40):])
	}
}

func TestColors(t *testing.T) {
	const in = "\x1b[31mred\x1b[0m plain\n"
	if got := show(t, in, Text, ColorNever); got != "[app] red plain\n" {
		t.Errorf("never: got %q", got)
	}
	if got := show(t, in, Text, ColorLabels); !strings.HasPrefix(got, "\x1b[") || !strings.Contains(got, "[app]\x1b[0m ") {
		t.Errorf("labels: got %q", got)
	}
}

// checkHarmless is what every shown line promises.
func checkHarmless(t *testing.T, in string) {
	t.Helper()
	for l := range strings.SplitSeq(strings.TrimSuffix(show(t, in, Text, ColorNever), "\n"), "\n") {
		if l == "" && in != "" {
			continue
		}
		if in != "" && !strings.HasPrefix(l, "[app] ") {
			t.Errorf("%q is shown with a line %q that has no prefix", in, l)
		}
		for _, r := range l {
			if r < 0x20 && r != '\t' || r == 0x7f || hostile(r) {
				t.Errorf("%q is shown with the control character %U", in, r)
			}
		}
		if !utf8.ValidString(l) {
			t.Errorf("%q is shown as invalid UTF-8", in)
		}
	}
	for l := range strings.SplitSeq(strings.TrimSuffix(show(t, in, JSON, ColorNever), "\n"), "\n") {
		var v struct{ Time, Service, Stream, Message string }
		if l != "" && (json.Unmarshal([]byte(l), &v) != nil || v.Service != "app" || !utf8.ValidString(l)) {
			t.Errorf("%q gives the JSON %q", in, l)
		}
	}
}

func TestNothingCanForgeAPrefix(t *testing.T) {
	for _, in := range hostileOutputs {
		checkHarmless(t, in)
		checkHarmless(t, "x"+in+"\ny\n")
	}
	t.Attr("S6", fmt.Sprintf("0 of %d harmed, alone and within a line", len(hostileOutputs)))
}

func FuzzShow(f *testing.F) {
	for _, in := range hostileOutputs {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) { checkHarmless(t, in) })
}

func TestPlainAgreesWithTheSlowWay(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			b := bytes.Repeat([]byte("a"), 17)
			b[at] = byte(c)
			want := c == '\t' || c >= 0x20 && c < 0x7f
			if got := plain(b); got != want {
				t.Errorf("byte %#x at %d: plain = %t, want %t", c, at, got, want)
			}
		}
	}
}

func FuzzRecordRoundTrip(f *testing.F) {
	f.Add([]byte("hello"), byte(0))
	f.Fuzz(func(t *testing.T, text []byte, end byte) {
		if bytes.IndexByte(text, '\n') >= 0 {
			return
		}
		at := time.Unix(1764000000, 123456789).UTC()
		want := line{text, End(end % 4)}
		b := appendLines(nil, []line{want}, at, Stderr)
		rec := parseRecord(bytes.TrimSuffix(b, []byte("\n")))
		if !bytes.Equal(rec.Message, text) || rec.End != want.end || !rec.Time.Equal(at) || rec.Stream != Stderr {
			t.Errorf("%q came back as %+v", b, rec)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte("2026-11-22T23:57:00.123456789Z stdout F x"))
	f.Add([]byte("2026-11-22T23:57:00Z stderr P "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if rec := parseRecord(b); rec.Time.IsZero() && !bytes.Equal(rec.Message, b) {
			t.Errorf("%q is no record, and lost bytes: %q", b, rec.Message)
		}
	})
}

func TestStringsAgreeWithTheSlowWay(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			b := bytes.Repeat([]byte("a"), 17)
			b[at] = byte(c)
			want := 17
			if c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
				want = at
			}
			if got := asItIs(b); got != want {
				t.Errorf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}

func FuzzTimes(f *testing.F) {
	for _, at := range []int64{0, -1, 1764000000123456789, 951782400000000000, 1709251199999999999} {
		f.Add(at)
	}
	f.Fuzz(func(t *testing.T, nano int64) {
		at := time.Unix(0, nano)
		got := appendTime(nil, at)
		if want := at.UTC().Format(timeLayout); string(got) != want {
			t.Errorf("%d: %q, want %q", nano, got, want)
		}
		if back, ok := parseTime(got); !ok || !back.Equal(at) {
			t.Errorf("%q came back as %v, %v", got, back, ok)
		}
	})
}

// Each byte is found wherever it is among eight that are looked at together, or behind
// them, whatever its neighbours are.
func TestPlain(t *testing.T) {
	for _, fill := range []byte{' ', '~', 'x', '\t', 0x1f, 0x7f, 0x80, 0xff} {
		for size := range 20 {
			text := bytes.Repeat([]byte{fill}, size)
			for at := range text {
				for c := range 256 {
					text[at] = byte(c)
					want := !slices.ContainsFunc(text, func(b byte) bool { return b != '\t' && (b < ' ' || b > '~') })
					if got := plain(text); got != want {
						t.Fatalf("plain(%q) = %t", text, got)
					}
				}
				text[at] = fill
			}
		}
	}
}
