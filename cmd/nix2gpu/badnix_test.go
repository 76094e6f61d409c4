package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"nix2gpu/internal/testkit"
)

// levels is how deep the texts of TestBadNix nest.
const levels = 1_000_000

// nested returns a text of so many levels.
func nested(open, inner, end string) string {
	return strings.Repeat(open, levels) + inner + strings.Repeat(end, levels)
}

// badNix are files that the language, JSON or TOML rejects, each with the place that is named
// and what is said.
func badNix() []badText {
	return []badText{
		{"parens.nix", nested("(", "1", ")"), "1:5001", "more than 10000 levels"},
		{"lists.nix", nested("[", "", "]"), "1:10000", "more than 10000 levels"},
		{"sets.nix", nested("{a=", "1", ";}"), "1:10000", "more than 10000 levels"},
		{"recs.nix", nested("rec{a=", "1", ";}"), "1:", "more than 10000 levels"},
		{"names.nix", nested("{${", `"a"`, "}=1;}"), "1:10000", "more than 10000 levels"},
		{"inherits.nix", nested("{inherit(", "{}", ");}"), "1:", "more than 10000 levels"},
		{"bodies.nix", nested("let{body=", "1", ";}"), "1:", "more than 10000 levels"},
		{"lambdas.nix", nested("x: ", "1", ""), "1:30001", "more than 10000 levels"},
		{"formals.nix", nested("{a}:", "1", ""), "1:40001", "more than 10000 levels"},
		{"thens.nix", nested("if true then ", "1", " else 1"), "1:", "more than 10000 levels"},
		{"elses.nix", nested("if true then 1 else ", "1", ""), "1:", "more than 10000 levels"},
		{"strings.nix", nested(`"${`, "1", `}"`), "1:", "more than 10000 levels"},
		{"indented.nix", nested("''${", "1", "}''"), "1:", "more than 10000 levels"},
		{"paths.nix", nested("./${", "1", "}"), "1:", "more than 10000 levels"},
		{"lets.nix", nested("let a=1;in ", "1", ""), "1:", "more than 10000 levels"},
		{"withs.nix", nested("with{};", "1", ""), "1:", "more than 10000 levels"},
		{"asserts.nix", nested("assert true;", "1", ""), "1:", "more than 10000 levels"},
		{"sums.nix", nested("1+", "1", ""), "1:19998", "more than 10000 levels"},
		{"joins.nix", nested("[]++", "[]", ""), "1:", "more than 10000 levels"},
		{"updates.nix", nested("{}//", "{}", ""), "1:", "more than 10000 levels"},
		{"follows.nix", nested("true -> ", "true", ""), "1:", "more than 10000 levels"},
		{"nots.nix", nested("!", "true", ""), "1:10000", "more than 10000 levels"},
		{"minuses.nix", nested("-", "1", ""), "1:10000", "more than 10000 levels"},
		{"pipes.nix", nested("", "1", "|>(x: x)"), "1:", "more than 10000 levels"},
		{"selects.nix", nested("", "{}", ".a"), "1:", "more than 10000 levels"},
		{"defaults.nix", nested("{}.a or ", "1", ""), "1:", "more than 10000 levels"},
		{"has.nix", nested("", "{}?a", ".a"), "1:", "more than 10000 levels"},
		{"keys.nix", "{" + nested("", "a", ".a") + "=1;}", "1:", "more than 10000 levels"},
		{"arrays.json", nested("[", "", "]"), "1:1", "nest more than 10000 levels deep (line 1, column 10001)"},
		{"objects.json", nested(`{"a":`, "1", "}"), "1:1", "nest more than 10000 levels deep (line 1, column 50001)"},
		{"arrays.toml", "a=" + nested("[", "", "]"), "1:1", "nested more than the maximum of 10000 levels deep (line 1, column 10003)"},
		{"tables.toml", "a=" + nested("{a=", "1", "}"), "1:1", "nested more than the maximum of 10000 levels deep (line 1, column 30003)"},
		{"keys.toml", "b = '''\n.'''\n" + nested("", "a", ".a") + "=1", "1:1", "a key of more than 10000 parts (line 3)"},
		{"headers.toml", "[" + nested("", "a", " . 'a'") + "]", "1:1", "a key of more than 10000 parts (line 1)"},
		{"regex.nix", `builtins.match "` + nested("(", "", ")") + `" ""`, "1:1", "at most 65536 are permitted"},

		{"itself.nix", "1 +\n  import ./itself.nix", "2:3", "itself.nix imports "},
		{"first.nix", "import ./second.nix\n", "third.nix:1:1", "second.nix imports "},
		{"second.nix", "{ a = 1; } // import ./third.nix\n", "second.nix:1:15", "third.nix imports "},
		{"third.nix", "import ./second.nix\n", "third.nix:1:1", "second.nix imports "},
		{"aPipe.nix", "import ./pipe", "1:1", "pipe: it is a named pipe, and only regular files can be read"},
		{"aDevice.nix", "import /dev/zero", "1:1", "/dev/zero: it is a device, and only regular files can be read"},
		{"aFolder.nix", "builtins.readFile ./.", "1:1", "is a directory"},
		{"aFolderOf.nix", "import ./.", "1:1", "default.nix: no such file or directory"},
		{"anotherBig.nix", "import ./big", "1:1", "big: the file is too big: more than 32 MiB of text to evaluate"},
		{"utf8.nix", "{\n  a = \xff;\n}", "2:7", "unexpected byte 0xff"},
		{"utf8.json", "[\n\"\xff\"]", "1:1", `a string that is not UTF-8: "\xff"`},
		{"utf8.toml", "a = 1\nb = \"\xff\"", "1:1", "invalid UTF-8 character in basic string (line 2, column 6)"},
		{"crlf.nix", "{\r\n  a = 1;\r\n  b = c;\r\n}\r\n", "3:7", "undefined variable 'c'"},
		{"bom.nix", "\uFEFF{ }", "1:1", "byte order mark: save the file as UTF-8 without one"},
		{"utf16.nix", "\xff\xfe{\x00 \x00}\x00", "1:1", "byte order mark: save the file as UTF-8 without one"},
		{"zero.nix", "{ a = 1; }\x00", "1:11", `unexpected character '\x00'`},
		{"empty.nix", "", "1:1", "unexpected end of the file, expected an expression"},
	}
}

type badText struct{ name, text, place, says string }

// measured runs a program, and prints the most memory that it had, in KiB. A child of a test
// would count the test's memory as its own.
const measured = `
import os, sys
pid = os.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
sys.stderr.write("the most memory: %d" % usage.ru_maxrss)
sys.stderr.flush()
sys.exit(os.waitstatus_to_exitcode(status) & 255)
`

// TestBadNix wants for each file, from the program as it ships, a short message with its
// place and what is wrong, in little memory.
func TestBadNix(t *testing.T) {
	program := testkit.Binary(t)
	dir := t.TempDir()
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644), os.WriteFile(filepath.Join(dir, "big"), nil, 0o644),
		os.Truncate(filepath.Join(dir, "big"), 32<<20+1)); err != nil {
		t.Fatal(err)
	}
	texts := badNix()
	for i, c := range texts {
		texts[i].text = "" // there are hundreds of megabytes
		if err := os.WriteFile(filepath.Join(dir, c.name), []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(t *testing.T, place, says string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "python3", append([]string{"-ISc", measured, program}, args...)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 1 && code != 2 {
			t.Errorf("%v: %v", args, err)
		}
		text, memory, _ := strings.Cut(string(out), "the most memory: ")
		if !strings.Contains(text, place) || !strings.Contains(text, says) || len(text) > 2000 {
			t.Errorf("%v: it says\n%.2000s\nwant %s … %s", args, text, place, says)
		}
		if kib, err := strconv.Atoi(memory); err != nil || kib > 64<<10 {
			t.Errorf("%v: %s KiB of memory", args, memory)
		}
	}
	for _, c := range texts {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			place := c.place
			if !strings.Contains(place, ".nix") {
				place = c.name + ":" + place
			}
			switch filepath.Ext(c.name) {
			case ".json":
				fails(t, "«expr»:"+c.place, c.says, "eval", "-E", "builtins.fromJSON (builtins.readFile ./"+c.name+")")
			case ".toml":
				fails(t, "«expr»:"+c.place, c.says, "eval", "-E", "builtins.fromTOML (builtins.readFile ./"+c.name+")")
			default:
				fails(t, place, c.says, "eval", "--strict", c.name)
			}
		})
	}
	for name, says := range map[string]string{
		"big":            "more than 32 MiB",
		"/dev/zero":      "more than 32 MiB",
		".":              `"default.nix": no such file or directory`,
		"./nothing":      "no such file or directory",
		"/proc/self/mem": "input/output error",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, verb := range []string{"eval", "parse"} {
				fails(t, "cannot read", says, verb, name)
			}
		})
	}
}
