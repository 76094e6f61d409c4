package dotenv_test

import (
	"fmt"
	"strings"
	"testing"

	"nix2gpu/dotenv"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"# comment\n\n  # another\n": "",
		"A=1\nB=two words\n":         `1 A="1", 2 B="two words"`,
		"A=1":                        `1 A="1"`,
		"\ufeffA=1\r\nB=2\r\n":       `1 A="1", 2 B="2"`,
		"export A=1\nexport\tB=2":    `1 A="1", 2 B="2"`,
		"exported=1\nexport=2":       `1 exported="1", 2 export="2"`,
		" A =  1  ":                  `1 A="1"`,
		"A=\nB= # nothing":           `1 A="", 2 B="# nothing"`,
		"A=1 # one\nB=p#w\nC=x\t#y":  `1 A="1", 2 B="p#w", 3 C="x"`,
		"A='$x \\n # no' # yes":      `1 A="$x \\n # no"`,
		`A="a\"b\\n\n\t\$x\r"`:       `1 A="a\"b\\n\n\t$x\r"`,
		"A=\"one\ntwo\"\nB=3":        `1 A="one\ntwo", 3 B="3"`,
		"A='one\n\nthree'#c\nB=4":    `1 A="one\n\nthree", 4 B="4"`,
		"A=''\nB=\"\"":               `1 A="", 2 B=""`,
		"A=a=b\nA-B.c=d":             `1 A="a=b", 2 A-B.c="d"`,
		"A=it's":                     `1 A="it's"`,
		"A=$HOME ${X:-y} $$":         `1 A="$HOME ${X:-y} $$"`,

		"A\nB=2\n=3":          `2 B="2"; 1: must be NAME=value, a comment or empty; 3: must be NAME=value, a comment or empty`,
		"A=x\x00\nB='\n\x00'": `; 1: must not contain a zero byte; 2: the quote is never closed, or holds a zero byte; 3: must not contain a zero byte`,
		"A B=1":               `; 1: must be NAME=value, a comment or empty`,
		"A'=1":                `; 1: must be NAME=value, a comment or empty`,
		"A=\"never\nB=2":      `2 B="2"; 1: the quote is never closed, or holds a zero byte`,
		"A=\"\\\"":            `; 1: the quote is never closed, or holds a zero byte`,
		"A=\"x\"y\nB='x' y z": `1 A="x", 2 B="x"; 1: only a comment may follow the closing quote; 2: only a comment may follow the closing quote`,
	} {
		vars, bad := dotenv.Parse(text)
		var got []string
		for _, v := range vars {
			got = append(got, fmt.Sprintf("%d %s=%q", v.Line, v.Name, v.Value))
		}
		said := strings.Join(got, ", ")
		for _, e := range bad {
			said += "; " + e.Error()
		}
		if said != want {
			t.Errorf("Parse(%q)\n got %s\nwant %s", text, said, want)
		}
	}
}

func TestError(t *testing.T) {
	_, bad := dotenv.Parse("\nA")
	if len(bad) != 1 || bad[0].Error() != "2: must be NAME=value, a comment or empty" {
		t.Errorf("got %v", bad)
	}
}

// Any text gives variables with names and errors, each with a line of the text, in
// order.
func FuzzParse(f *testing.F) {
	f.Add("export A='b' # c\n\"")
	f.Add("A=\"x\ny\"z\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		vars, bad := dotenv.Parse(text)
		lines, last := strings.Count(text, "\n")+1, 0
		for _, v := range vars {
			if v.Name == "" || strings.ContainsAny(v.Name, "= \n") || strings.Contains(v.Name+v.Value, "\x00") || v.Line <= last || v.Line > lines {
				t.Errorf("%+v of %d lines, after line %d", v, lines, last)
			}
			last = v.Line
		}
		last = 0
		for _, e := range bad {
			if e.Msg == "" || e.Line <= last || e.Line > lines {
				t.Errorf("%+v of %d lines, after line %d", e, lines, last)
			}
			last = e.Line
		}
	})
}
