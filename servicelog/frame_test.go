package servicelog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// frameAll cuts input, given in chunks of those sizes, into lines.
func frameAll(input []byte, sizes []int) (lines []string, ends []End) {
	var f framer
	keep := func(out []line) {
		for _, l := range out {
			lines, ends = append(lines, string(l.text)), append(ends, l.end)
		}
	}
	for i := 0; len(input) > 0; i++ {
		n := len(input)
		if len(sizes) > 0 {
			n = min(n, sizes[i%len(sizes)])
		}
		keep(f.split(bytes.Clone(input[:n]), nil))
		input = input[n:]
	}
	keep(f.rest(nil))
	return lines, ends
}

func TestFraming(t *testing.T) {
	for input, want := range map[string]string{
		"one\ntwo\n":       `"one" "two"`,
		"one\ntwo":         `"one" "two"none`,
		"\n\n":             `"" ""`,
		"dos\r\nline\r\n":  "\"dos\\r\" \"line\\r\"",
		"10%\r20%\rdone\n": `"10%"return "20%"return "done"`,
		"10%\r":            `"10%"return`,
		"\r\r\n":           `""return "\r"`,
		"":                 ``,
	} {
		for size := 1; size <= len(input)+1; size++ {
			lines, ends := frameAll([]byte(input), []int{size})
			var got []string
			for i, l := range lines {
				got = append(got, fmt.Sprintf("%q%s", l, [...]string{"", "return", "none", "cut"}[ends[i]]))
			}
			if g := strings.Join(got, " "); g != want {
				t.Errorf("%q in chunks of %d: got %s, want %s", input, size, g, want)
			}
		}
	}
}

// unframe is the inverse of framing.
func unframe(lines []string, ends []End) string {
	var b strings.Builder
	for i, l := range lines {
		b.WriteString(l)
		b.WriteString([...]string{"\n", "\r", "", ""}[ends[i]])
	}
	return b.String()
}

func TestFramingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "\n", "\r", "\r\n", "ü", "🙂", "\xff",
			strings.Repeat("x", maxLine-1), strings.Repeat("x", maxLine), strings.Repeat("🙂", maxLine/4)})
		input := strings.Join(rapid.SliceOfN(piece, 0, 30).Draw(t, "input"), "")
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(1, 70000)), 1, 5).Draw(t, "sizes")
		lines, ends := frameAll([]byte(input), sizes)
		if got := unframe(lines, ends); got != input {
			t.Fatalf("%d bytes came back as %d", len(input), len(got))
		}
		for i, l := range lines {
			if len(l) > maxLine+1 { // the return of an "\r\n" may come on top
				t.Fatalf("a piece of %d bytes, want at most %d", len(l), maxLine)
			}
			if utf8.ValidString(input) && !utf8.ValidString(l) {
				t.Fatalf("piece %d is cut inside of a character", i)
			}
		}
	})
}

// What is no time is none, whichever digit is missing; ours is read as the
// standard library reads it.
func TestParseTime(t *testing.T) {
	const ours = "2026-11-25T01:02:03.000000004Z"
	want, err := time.Parse(time.RFC3339Nano, ours)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := parseTime([]byte(ours)); !ok || !got.Equal(want) {
		t.Errorf("%s is read as %v, %v", ours, got, ok)
	}
	wrong := []string{
		"2026-13-25T01:02:03.000000004Z", "2026-00-25T01:02:03.000000004Z", "2026-02-30T01:02:03.000000004Z",
		"2026-11-25T24:02:03.000000004Z", "2026-11-25T01:60:03.000000004Z", "2026-11-25T01:02:60.000000004Z",
	}
	for i := range ours {
		wrong = append(wrong, ours[:i]+"x"+ours[i+1:])
	}
	for _, text := range wrong {
		if got, ok := parseTime([]byte(text)); ok {
			t.Errorf("%s is read as %v", text, got)
		}
	}
}

// A time that was parsed before is the same again, and only that one.
func TestTimeCache(t *testing.T) {
	var c timeCache
	for _, text := range []string{
		"0001-01-01T00:00:00.000000000Z", "2026-11-22T23:57:00.123456789Z", "2026-11-22T23:57:00.123456789Z", "2026-11-22T23:57:00.123456788Z",
		"2026-11-22T23:57:00Z", "2026-11-22T23:57:00.123456788Z", "2026-13-22T23:57:00.123456788Z", "2026-11-22T23:57:00.123456788Z", "", "x",
	} {
		want, wantOK := parseTime([]byte(text))
		if got, ok := c.parse([]byte(text)); ok != wantOK || !got.Equal(want) {
			t.Errorf("%q: %v, %t, want %v, %t", text, got, ok, want, wantOK)
		}
	}
}
