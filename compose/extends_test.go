package compose_test

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"nix2gpu/compose"
	"nix2gpu/project"
)

// loadFiles loads the first of files, by name.
func loadFiles(first string, files map[string]string, env ...string) (*project.Project, error) {
	return compose.Load(compose.Options{Dir: "/x", NoDotEnv: true, Environ: env,
		ReadFile: func(name string) ([]byte, error) {
			if text, ok := files[path.Base(name)]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		}}, first)
}

// Files and processes that extend each other in a long chain are refused at its begin.
func TestExtendsIsBounded(t *testing.T) {
	files := map[string]string{}
	for i := range 2000 {
		files[fmt.Sprintf("f%d.yaml", i)] = fmt.Sprintf("extends: f%d.yaml\nprocesses: { p%d: { command: x } }\n", i+1, i)
	}
	files["f2000.yaml"] = "processes: { last: { command: x } }\n"
	_, err := loadFiles("f0.yaml", files)
	if err == nil || !strings.Contains(err.Error(), "extends goes on from file to file more than 100 times") {
		t.Errorf("files: %v", err)
	}
	if p, err := loadFiles("f1950.yaml", files); err != nil || len(p.Services) != 51 {
		t.Errorf("50 files: %v", err)
	}

	var b strings.Builder
	b.WriteString("processes:\n  p0: { command: x }\n")
	for i := 1; i < 300; i++ {
		fmt.Fprintf(&b, "  p%d: { extends: p%d }\n", i, i-1)
	}
	_, err = loadFiles("a.yaml", map[string]string{"a.yaml": b.String()})
	if err == nil || !strings.Contains(err.Error(), "extends goes on from process to process more than 100 times") {
		t.Errorf("processes: %v", err)
	}
}

// A circle is said once, as it is, also where others lead to it.
func TestCircularExtends(t *testing.T) {
	const text = "processes:\n  x: { extends: a }\n  a: { command: x, extends: b }\n  b: { extends: a }\n  c: { command: x, extends: c }\n"
	_, err := loadFiles("a.yaml", map[string]string{"a.yaml": text})
	if err == nil {
		t.Fatal("no error")
	}
	for circle, times := range map[string]int{"extends is circular: a → b → a\n": 1, "extends is circular: c → c\n": 1, "extends is circular": 2} {
		if got := strings.Count(err.Error()+"\n", circle); got != times {
			t.Errorf("%q %d times, want %d:\n%v", circle, got, times, err)
		}
	}
}

// What is written without a value is a map without entries.
func TestNullProcesses(t *testing.T) {
	for text, want := range map[string]string{"processes:\n": "", "processes: {}\n": "", "version: \"0.5\"\n": `has no key "processes"`} {
		_, err := loadFiles("a.yaml", map[string]string{"a.yaml": text})
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) && err != nil {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A key that becomes the same as another by its variables follows the rule of "<<": what is
// written out wins, and then what came first.
func TestNamesOfVariablesBesideMerges(t *testing.T) {
	const base = "x-base: &base\n  web: { command: base }\n  $OTHER: { command: base }\nx-late: &late\n  job: { command: late }\n"
	env := []string{"NAME=web", "OTHER=job"}
	for text, want := range map[string]string{
		"  <<: *base\n  $NAME: { command: own }\n":                           "job=base web=own",
		"  $NAME: { command: own }\n  <<: *base\n":                           "job=base web=own",
		"  <<: *base\n  job: { command: own }\n":                             "job=own web=base",
		"  job: { command: own }\n  <<: *base\n":                             "job=own web=base",
		"  <<: [ *base, *late ]\n":                                           "job=base web=base",
		"  <<: [ *late, *base ]\n":                                           "job=late web=base",
		"  <<: *base\n  $NAME: { command: own }\n  $OTHER: { command: own }": "job=own web=own",
	} {
		p, err := loadFiles("a.yaml", map[string]string{"a.yaml": base + "processes:\n" + text}, env...)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var got []string
		for _, id := range slices.Sorted(maps.Keys(p.Services)) {
			command := p.Processes[p.Services[id].Main].Command
			got = append(got, string(id)+"="+command.Shell.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	_, err := loadFiles("a.yaml", map[string]string{"a.yaml": "processes: { web: { command: x }, $NAME: { command: y } }\n"}, env...)
	if err == nil || !strings.Contains(err.Error(), `the key "web" is there already: "$NAME" means the same`) {
		t.Errorf("two that are written out: %v", err)
	}
}
