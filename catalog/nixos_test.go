package catalog_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/internal/testkit"
	"nix2gpu/nix/module"
)

// A nixosModule is what testdata/nixos says of a module of NixOS; its README.md says how.
type nixosModule struct {
	typ, source, there, base string
	reason                   string // why fewer than four of five work
	options                  []nixosOption
}

type nixosOption struct {
	path, typ      string
	verdict, rest  string // rest is what comes after the word
	value, without string
}

// apart are options about systemd, the firewall, users and groups.
func (o *nixosOption) apart() bool { return o.verdict == "apart" }

func nixosModules(t *testing.T) []*nixosModule {
	t.Helper()
	files, err := filepath.Glob("testdata/nixos/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no lists of options: %v", err)
	}
	var all []*nixosModule
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := &nixosModule{typ: strings.TrimSuffix(filepath.Base(file), ".txt")}
		for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
			if key, value, ok := strings.Cut(line, ": "); ok && !strings.Contains(key, "|") {
				switch key {
				case "source":
					m.source = value
				case "there":
					m.there = value
				case "base":
					m.base = value
				case "reason":
					m.reason = value
				}
				continue
			}
			f := append(strings.Split(line, " | "), "", "")
			if len(f) < 5 || len(f) > 7 {
				t.Fatalf("%s:%d: a line is option | type | here | tried with | without", file, i+1)
			}
			o := nixosOption{path: f[0], typ: f[1], value: strings.TrimSpace(f[3]), without: strings.TrimSpace(f[4])}
			o.verdict, o.rest, _ = strings.Cut(f[2], " ")
			if !slices.Contains([]string{"same", "other", "inert", "no", "differs", "apart"}, o.verdict) {
				t.Fatalf("%s:%d: what is %q?", file, i+1, f[2])
			}
			m.options = append(m.options, o)
		}
		all = append(all, m)
	}
	return all
}

// bindings are what to try an option with: what its line says, or each value of its type.
func (o *nixosOption) bindings(path string) []string {
	if strings.HasSuffix(o.value, ";") {
		return []string{o.value}
	}
	path = strings.NewReplacer("<name>", "x").Replace(path)
	values := []string{o.value}
	if o.value == "" {
		values = nixosValues(o.typ)
	}
	var all []string
	for _, v := range values {
		all = append(all, path+" = "+v+";")
	}
	return all
}

// nixosValues are values of a type as NixOS writes it.
func nixosValues(typ string) []string {
	typ = strings.TrimPrefix(typ, "nullOr ")
	typ = strings.TrimSuffix(strings.TrimPrefix(typ, "("), ")")
	word, rest, _ := strings.Cut(typ, " ")
	switch word {
	case "bool":
		return []string{"true", "false"}
	case "int", "port", "ints.positive", "ints.unsigned":
		return []string{"7777"}
	case "path":
		return []string{`"/srv/x"`}
	case "enum":
		var all []string
		for w := range strings.FieldsSeq(rest) {
			all = append(all, `"`+w+`"`)
		}
		return all
	case "listOf":
		return []string{"[ " + nixosValues(rest)[0] + " ]"}
	case "attrsOf":
		return []string{"{ x = " + nixosValues(rest)[0] + "; }"}
	case "package":
		return []string{"pkgs.bash"}
	}
	return []string{`"x"`}
}

// TestNixOSOptions tries every option of NixOS's modules that testdata/nixos lists, and
// writes the page that says which of them are here. At least four of five work in each type, unless its file says why not.
func TestNixOSOptions(t *testing.T) {
	var index, chapters strings.Builder
	modules, ran := nixosModules(t), 0
	for _, m := range modules {
		t.Run(m.typ, func(t *testing.T) {
			ran++
			typ, ok := catalog.Find(m.typ)
			if !ok || typ.Name != m.typ {
				t.Fatal("there is no such type of service")
			}
			docs := map[string]module.Doc{}
			for _, d := range module.Describe(typ.Schema().Options) {
				docs[d.String()] = d
			}
			count := map[string]int{}
			var same []string
			var table strings.Builder
			for _, o := range m.options {
				count[o.verdict]++
				if !o.apart() {
					count["all"]++
				}
				here := o.rest
				switch o.verdict {
				case "same":
					same = append(same, "`"+o.path+"`")
					m.works(t, o, o.path)
					continue
				case "differs":
				case "other":
					m.works(t, o, o.rest)
					if said := m.refused(t, o); said != "" && !strings.Contains(said, o.rest) {
						t.Errorf("%s: %q does not name %s", o.path, said, o.rest)
					}
					here = "`" + o.rest + "`"
				case "no":
					here = m.refused(t, o)
				case "inert":
					if here = docs[o.path].NoEffect; here == "" {
						t.Errorf("%s is not an option without effect", o.path)
					}
					here = "no effect: " + here
				case "apart":
					continue
				}
				fmt.Fprintf(&table, "| `%s` | %s |\n", o.path, strings.ReplaceAll(here, "|", `\|`))
			}
			percent := 100 * count["same"] / count["all"]
			if (percent < 80) != (m.reason != "") {
				t.Errorf("a reason is wanted below 80 %%, and only there: %q: %d of %d options work: %d %%", m.reason, count["same"], count["all"], percent)
			}
			fmt.Fprintf(&index, "| [`%s`](#%s) | %d | %d | %d %% | %d | %d | %d | %d |\n", m.typ, m.typ, count["all"], count["same"], percent,
				count["other"], count["inert"], count["differs"], count["no"])
			fmt.Fprintf(&chapters, "\n## %s\n\n`%s`, of %s.\n\nThe same here: %s.\n", m.typ, m.there, m.source, strings.Join(same, ", "))
			if m.reason != "" {
				fmt.Fprintf(&chapters, "\nWhy not more: %s.\n", m.reason)
			}
			if table.Len() > 0 {
				fmt.Fprintf(&chapters, "\n| option | here |\n|---|---|\n%s", &table)
			}
		})
	}
	if ran < len(modules) && testkit.Updating() {
		t.Error("-update writes the page of all types: run the test without the name of one")
	}
	if ran < len(modules) || t.Failed() { // the page would lack what failed
		return
	}
	testkit.Golden(t, "../docs/reference/nixos-options.md", []byte("# The options of NixOS's modules\n\n"+
		"What a definition may have of the options that NixOS's modules declare for the same servers, in nixpkgs as it was between 25.05 and\n"+
		"25.11. A test sets each of them, and finds it in the configuration, the command or the set-up of the service. Those about systemd, the\n"+
		"firewall, users and groups are not counted. Options that are the server's own words, such as all below `settings`, pass as they are.\n"+
		"What to mind beside the names: [coming from NixOS](../how-to/from-nixos.md).\n\n"+
		"| type | options | the same | | another name | no effect | another meaning | refused |\n|---|---|---|---|---|---|---|---|\n"+
		index.String()+chapters.String()))
}

// works wants each binding of an option to make a project of its own, in which the words
// and numbers of the value are. One of several values may be that of the default.
func (m *nixosModule) works(t *testing.T, o nixosOption, path string) {
	t.Helper()
	definition := m.definition(o.without)
	if path == "enable" {
		definition, o.value = "{ services."+m.typ+".a = { "+m.base+" }; }", `~ description = "";` // which is enabled anyway
	}
	render := func(what, definition string) string {
		p, err := generate(t, "t.nix", definition)
		if err != nil {
			t.Errorf("%s: %s: %v", o.path, what, err)
			return ""
		}
		return string(withoutPlaces(t, p))
	}
	before := render("without it", definition)
	acts := strings.HasPrefix(o.value, "~ ")
	o.value = strings.TrimPrefix(o.value, "~ ")
	bindings := o.bindings(path)
	seen := map[string]string{}
	if len(bindings) == 1 {
		seen[before] = "the definition without it"
	}
	for _, b := range bindings {
		with := render(b, m.definition(b))
		if same := seen[with]; same != "" {
			t.Errorf("%s: %s makes what %s does", o.path, b, same)
		}
		seen[with] = b
		if acts || with == before {
			continue
		}
		for _, word := range valuesIn(b) {
			if !slices.Contains(valuesIn(o.without), word) && strings.Count(with, word) <= strings.Count(before, word) {
				t.Errorf("%s: %s: there is no %q in the configuration, the command or the environment", o.path, b, word)
			}
		}
	}
}

var literal = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"(\s*[.=])?|\b\d+\b`)

// valuesIn are the texts and numbers of bindings that are no names.
func valuesIn(bindings string) (words []string) {
	for _, m := range literal.FindAllStringSubmatch(bindings, -1) {
		if m[2] == "" {
			words = append(words, strings.Split(cmp.Or(m[1], m[0]), `\n`)...)
		}
	}
	return words
}

// refused wants an option to be an error, and returns what it says to do instead.
func (m *nixosModule) refused(t *testing.T, o nixosOption) string {
	t.Helper()
	if strings.HasPrefix(o.path, "services.") {
		return "" // outside an instance: only a name can be there
	}
	if o.verdict == "other" {
		o.value = "" // which is one of ours
	}
	bindings := o.bindings(o.path)
	_, err := generate(t, "t.nix", m.definition(bindings[0]))
	if err == nil {
		t.Errorf("%s is not refused", o.path)
		return ""
	}
	name := o.path[strings.LastIndexByte(o.path, '.')+1:]
	_, said, ok := strings.Cut(err.Error(), "not supported: "+name+"; ")
	if !ok {
		t.Errorf("%s: %v does not say what to do instead", o.path, err)
	}
	said, _, _ = strings.Cut(said, "\n")
	return said
}

// definition is an instance with these bindings, and those of base that they don't replace.
func (m *nixosModule) definition(bindings string) string {
	base := ""
	for one := range strings.SplitAfterSeq(m.base, "; ") {
		if name, _, _ := strings.Cut(one, " "); !strings.HasPrefix(bindings, name+" ") {
			base += one
		}
	}
	return "{ services." + m.typ + ".a = { enable = true; " + base + " " + bindings + " }; }"
}
