package catalog_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
)

// wrongValues are values by what they are, of which every option of every type refuses
// those that it does not take.
var wrongValues = map[string]string{
	"function": "(x: 1)", "fraction": "1.5", "negative": "(-1)", "large": "65536", "text": `"no-such-word"`, "bool": "true",
	"list": "[ 1.5 ]", "set": "{ no-such-option = 1.5; }", "null": "null",
}

// takes are the values of wrongValues that a kind of row does take. What is not here takes none.
var takes = map[string]string{
	"bool": "bool", "int": "negative large", "unsigned": "large", "positive": "large", "float": "fraction", "number": "fraction negative large",
	"factor": "fraction large", "seconds": "fraction negative large text", // of which most are refused later, in words of their own
	"string": "text", "lines": "text", "file": "text", "path": "text", "key": "text function", "secret": "text function", "program": "text", "bucket": "text",
	"json": "fraction negative large text bool null list set",
	"{}":   "function", "ref": "function", "probe": "function", // a function that makes a set of options
	"anything": "function fraction negative large text bool list set null",
	"raw":      "function fraction negative large text bool list set null",
}

// TestWrongValues gives every option of every type values that it does not take: of another
// type, out of range, with unknown names in them. Each is an error with the place of the value,
// the path of the option, and what would be right. All of them are reported at once, so a
// definition has one kind of value for all options of a level.
func TestWrongValues(t *testing.T) {
	tried := 0
	for _, typ := range catalog.Types() {
		t.Run(typ.Name, func(t *testing.T) {
			w := &wrong{t: t, path: "services." + typ.Name + ".a"}
			rows := typ.Rows()
			w.level(rows, func(bindings string) string {
				return "{ services." + typ.Name + ".a = { enable = true; " + bindings + " }; }"
			})
			if typ.Name == "custom" {
				w.level(catalog.CommonRows(), func(bindings string) string {
					return `{ services.custom.a = { command = "x"; ` + bindings + " }; }"
				})
			}
			tried += w.tried
		})
	}
	t.Logf("%d wrong values", tried)
}

type wrong struct {
	t     *testing.T
	path  string
	tried int
}

// level tries the options of rows in the definition that around makes of their bindings,
// and then those inside each of them.
func (w *wrong) level(rows []module.Row, around func(bindings string) string) {
	w.t.Helper()
	type option struct{ name, kind string }
	var all []option
	for i, row := range rows {
		name := strings.TrimLeft(row[0], " ")
		if len(row[0])-len(name) > len(rows[0][0])-len(strings.TrimLeft(rows[0][0], " ")) || strings.HasPrefix(row[1], "alias ") {
			continue
		}
		kind := kindOf(row[1])
		all = append(all, option{name, kind})
		indent, inside := len(row[0])-len(name), i+1
		for inside < len(rows) && rows[inside][0][indent] == ' ' {
			inside++
		}
		if inside == i+1 {
			continue
		}
		before, after, path := name+" = { ", " };", w.path
		w.path += "." + name
		switch {
		case strings.Contains(kind, "attrs "):
			before, after = name+".x = { ", " };"
			w.path += ".x"
		case strings.Contains(kind, "list "):
			before, after = name+" = [ { ", " } ];"
			w.path += "[0]"
		}
		w.level(rows[i+1:inside], func(bindings string) string { return around(before + bindings + after) })
		w.path = path
	}
	for what, value := range wrongValues {
		var bindings strings.Builder
		var wrong []string
		for _, o := range all {
			if o.name != "enable" && !taken(o.kind, what) {
				bindings.WriteString(o.name + " = " + value + "; ")
				wrong = append(wrong, o.name)
			}
		}
		if len(wrong) == 0 {
			continue
		}
		text := around(bindings.String())
		_, err := generate(w.t, "t.nix", text)
		if err == nil {
			w.t.Errorf("%s is accepted", text)
			continue
		}
		for _, name := range wrong {
			w.tried++
			if said := saidOf(err, w.path+"."+name); said == "" {
				w.t.Errorf("%s: nothing is said of %s = %s", w.path, name, value)
			} else if !strings.HasPrefix(said, "t.nix:1:") {
				w.t.Errorf("no place: %s", said)
			} else if !strings.Contains(said, "is not of type") && !strings.Contains(said, "must be") && !strings.Contains(said, "unknown option") && !strings.Contains(said, "assign a value") && !strings.Contains(said, "not supported") {
				w.t.Errorf("%s does not say what would be right", said)
			}
		}
	}
}

// saidOf is the error about an option, or about what is inside it.
func saidOf(err error, path string) string {
	for said := range strings.SplitSeq("\n"+err.Error(), "\nt.nix:") {
		if strings.Contains(said, "not supported: "+path[strings.LastIndexByte(path, '.')+1:]+"; ") || strings.Contains(said, "`"+path+"'") || strings.Contains(said, "`"+path+".") || strings.Contains(said, "`"+path+"[") {
			return "t.nix:" + said
		}
	}
	return ""
}

// kindOf is the type that a row declares, without its default and examples.
func kindOf(row string) string {
	for _, end := range []string{" e.g. ", " = ", " ~ "} {
		row, _, _ = strings.Cut(row, end)
	}
	for _, word := range []string{"inert ", "refused "} {
		if rest, ok := strings.CutPrefix(row, word); ok {
			return "null " + strings.TrimPrefix(rest, "null ")
		}
	}
	return strings.TrimPrefix(row, "required ")
}

// taken reports whether a kind takes one of wrongValues.
func taken(kind, value string) bool {
	if rest, ok := strings.CutPrefix(kind, "null "); ok {
		return value == "null" || taken(rest, value)
	}
	for word, whole := range map[string]string{"list ": "list", "attrs ": "set"} {
		if inside, ok := strings.CutPrefix(kind, word); ok {
			return value == whole && taken(inside, "fraction")
		}
	}
	if strings.HasPrefix(kind, "(") {
		first, rest, _ := strings.Cut(kind[1:], ")")
		rest, more := strings.CutPrefix(rest, " | ")
		return taken(first, value) || more && taken(rest, value)
	}
	first, rest, more := strings.Cut(kind, " | ")
	if more && taken(rest, value) {
		return true
	}
	word, _, _ := strings.Cut(first, " ")
	if low, high, ok := strings.Cut(word, ".."); ok {
		l, _ := strconv.Atoi(low)
		h, _ := strconv.Atoi(high)
		return value == "large" && l <= 65536 && 65536 <= h || value == "negative" && l <= -1 && -1 <= h
	}
	return slices.Contains(strings.Fields(takes[word]), value)
}

// TestPortsClash starts two instances of each type, which would listen on the same ports.
func TestPortsClash(t *testing.T) {
	more := map[string]string{"pgadmin": `initialPassword = "password"; `, "custom": "port = 7000; ", "phpfpm": "listen = 9000; ", "weaviate": "openPorts = true; "}
	for _, typ := range catalog.Types() {
		t.Run(typ.Name, func(t *testing.T) {
			options := (&chooser{}).set(typ.Rows(), "enable = true; "+more[typ.Name]) // what is required
			one := "services." + typ.Name + ".a = " + options + "; "
			p, err := generate(t, "t.nix", "{ "+one+"}")
			if err != nil {
				t.Fatal(err)
			}
			listens := 0
			for _, s := range p.Services {
				listens += len(s.Ports)
			}
			_, err = generate(t, "t.nix", "{ "+one+strings.Replace(one, ".a =", ".b =", 1)+"}")
			if listens == 0 {
				t.Fatalf("it listens nowhere: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), "is used twice") || !strings.Contains(err.Error(), "t.nix:1:") || !strings.Contains(err.Error(), "give one of them another port") {
				t.Errorf("got %v, want that a port is used twice, where, and what to do", err)
			}
		})
	}
}
