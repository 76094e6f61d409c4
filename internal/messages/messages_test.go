package messages

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

const (
	root   = "../.."
	page   = root + "/docs/reference/messages.md"
	unsaid = "testdata/unsaid.txt"
	most   = 75 // lines of unsaid.txt, which should get shorter
)

func TestPageIsFresh(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, root, others(t)); err != nil {
		t.Fatal(err)
	}
	if testkit.Updating() {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil || !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is stale (%v): go test ./internal/messages -update", page, err)
	}
}

// TestEveryMessageHasACure checks the rule of the package.
func TestEveryMessageHasACure(t *testing.T) {
	none := others(t)
	used, all := map[string]bool{}, 0
	for _, s := range sections {
		list, err := s.messages(root)
		if err != nil {
			t.Fatal(err)
		}
		all += len(list)
		for _, m := range list {
			if m.Note || s.cureOf(m) != "" {
				continue
			}
			if none[m.Text] == "" {
				t.Errorf("%s: no cure: %s\n\tadd a hint, or a line to internal/messages/%s: MESSAGE | REASON", m.Pos, m.Text, unsaid)
			}
			used[m.Text] = true
		}
	}
	for text := range none {
		if !used[text] {
			t.Errorf("%s: no message without a cure reads so: %s", unsaid, text)
		}
	}
	if len(none) > most {
		t.Errorf("%s has %d lines, of %d at most", unsaid, len(none), most)
	}
	if all < 800 {
		t.Errorf("only %d messages were found: the law is not being checked", all)
	}
}

// TestWords checks that a message says what a wrong value must be, and not only what it
// is not, and that it uses no word that only our source knows.
func TestWords(t *testing.T) {
	ours := []string{"preflight", "precondition", "trial", "goroutine", "tally"}
	for _, s := range sections {
		list, err := s.messages(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if _, after, ok := strings.Cut(m.Text, "must "); ok && (strings.Contains(after, ", is ") || strings.Contains(after, "; is ")) {
				t.Errorf("%s: must be …, not …: %s", m.Pos, m.Text)
			}
			for _, word := range strings.FieldsFunc(m.Text+" "+m.Cure, func(r rune) bool { return r < 'a' || r > 'z' }) {
				if slices.Contains(ours, strings.TrimSuffix(word, "s")) {
					t.Errorf("%s: %q is a word of our source: %s", m.Pos, word, m.Text)
				}
			}
		}
	}
}

// TestEveryPackageIsOnThePage checks that each package that makes messages is in a
// section.
func TestEveryPackageIsOnThePage(t *testing.T) {
	var pkgs []string
	for _, s := range sections {
		pkgs = append(pkgs, s.pkgs...)
	}
	for i, name := range pkgs {
		if slices.Contains(pkgs[:i], name) {
			t.Errorf("%s is in two sections", name)
		}
	}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if name == "scripts" || name == "bench" || name == "examples" || name == "docs" || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && name != "." ||
			strings.HasPrefix(name, "internal/") && name != "internal/cli" {
			return filepath.SkipDir
		}
		list, err := Collect(root, name)
		if err != nil || len(list) == 0 {
			return err
		}
		if !slices.Contains(pkgs, name) {
			t.Errorf("package %s makes %d messages, and no section of the page has it", name, len(list))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// others returns the messages of unsaid.txt, with the word of the reason.
func others(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(unsaid)
	if err != nil {
		t.Fatal(err)
	}
	out, last := map[string]string{}, ""
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		msg, why, _ := strings.Cut(line, " | ")
		if sayFor(why) == "" {
			t.Errorf("%s:%d: must be MESSAGE | REASON, with one of the reasons in page.go", unsaid, n+1)
		}
		if msg < last {
			t.Errorf("%s:%d: the lines must be sorted", unsaid, n+1)
		}
		last = msg
		out[msg] = why
	}
	return out
}

// TestCollect checks how messages are read from source.
func TestCollect(t *testing.T) {
	dir := t.TempDir()
	source := `package p

const cure = "take another"

func usageError(format string, args ...any) error { return nil }

func f(name string, err error) error {
	why := "it is odd"
	if name == "" {
		why = "it is empty"
	}
	bad := func(hint, format string, args ...any) error { return nil }
	bad(cure, "two words about %q", name)
	say("this is only progress")
	e.Msg = fmt.Sprintf("set field by field: %d%%", e.count)
	e.Hint = "as here"
	_ = &Error{Msg: "of " + why, Hint: why + ", " + cure}
	_ = &exitError{exitNoService, errors.New("no such thing")}
	_ = hint(usageError("wrong word %s", name), "write %s", x.rightWord)
	_ = hint(&Error{Code: CodeBusy, Msg: "held in a literal"}, "let %s go", name)
	_ = hint(&exitError{exitFailed, errors.New("ended badly")}, "begin again")
	return fmt.Errorf("cannot do it: %w\nhint: try %s again", err, x)
}
`
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Collect(dir, ".")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range sorted(list) {
		got = append(got, fmt.Sprintf("%s | %s | %d", m.Text, m.Cure, m.Code))
	}
	want := []string{
		`cannot do it: <reason> | try <…> again | 0`,
		`ended badly | begin again | 1`,
		`held in a literal | let <name> go | 1`,
		`no such thing |  | 4`,
		`of it is empty | it is odd, take another; or it is empty, take another | 0`,
		`of it is odd | it is odd, take another; or it is empty, take another | 0`,
		`set field by field: <count>% | as here | 0`,
		`two words about "<name>" | take another | 0`,
		`wrong word <name> | write <right word> | 2`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
