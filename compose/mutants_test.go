package compose_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"nix2gpu/compose"
)

// mutant returns a text with one to three small mistakes, as a hand or a broken tool makes
// them.
func mutant(src string, dice *rand.Rand) string {
	words := []string{"x", "[", "]", "{", "}", ":", "- ", "\t", "\"", "'", "&a ", "*a", "!!int ", "-1", "1e99", "null", "true", "|", "$", "${", "{{", "\x00", "\xff", "\ufeff", "\r", "# "}
	for range 1 + dice.IntN(3) {
		lines := strings.SplitAfter(src, "\n")
		i, at := dice.IntN(len(lines)), dice.IntN(len(src)+1)
		switch dice.IntN(7) {
		case 0:
			src = strings.Join(slices.Delete(lines, i, i+1), "")
		case 1:
			src = strings.Join(slices.Insert(lines, i, lines[i]), "")
		case 2:
			lines[i] = "  " + lines[i]
			src = strings.Join(lines, "")
		case 3:
			lines[i] = strings.TrimLeft(lines[i], " ")
			src = strings.Join(lines, "")
		case 4:
			src = src[:at] + words[dice.IntN(len(words))] + src[at:]
		case 5:
			src = src[:at]
		case 6: // another value
			if key, _, ok := strings.Cut(lines[i], ": "); ok {
				lines[i] = key + ": " + words[dice.IntN(len(words))] + "\n"
			}
			src = strings.Join(lines, "")
		}
	}
	return src
}

// TestMutants makes small mistakes in files that are right: each is read, or rejected with
// the place of each error.
func TestMutants(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, path := range archives {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				files = append(files, string(f.Data))
			}
		}
	}
	n := 400
	if os.Getenv("NIX2GPU_FAULTS") == "many" {
		n = 20_000
	}
	dice, rejected := rand.New(rand.NewPCG(1, 1)), 0
	for range n {
		src := mutant(files[dice.IntN(len(files))], dice)
		_, err := compose.Load(compose.Options{Dir: "/x", NoDotEnv: true, ReadFile: func(name string) ([]byte, error) {
			if filepath.Base(name) != "x.yaml" || strings.Count(name, "/") > 2 {
				return nil, fs.ErrNotExist
			}
			return []byte(src), nil
		}}, "x.yaml")
		if err == nil {
			continue
		}
		rejected++
		var errs compose.Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Errorf("%v is not about places of the file\n%s", err, src)
			continue
		}
		for _, e := range errs {
			if e.Pos.File != "x.yaml" || e.Pos.Line < 1 || e.Pos.Col < 1 || e.Msg == "" {
				t.Errorf("%+v: no place, or no words\n%s", e, src)
			}
		}
	}
	t.Attr("S1", fmt.Sprintf("%d of %d mutants rejected, each with its place", rejected, n))
}
