package catalog

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nix2gpu/packages"
	"nix2gpu/probe"
	"nix2gpu/project"
)

var inBraces = regexp.MustCompile(`\{([^{}]*)\}`)

// A type without a table says in the package's documentation why it has none, and only such a type.
func TestEscapesSayWhy(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, m := range regexp.MustCompile(`(?m)^//   - ([a-z, -]+): `).FindAllStringSubmatch(string(text), -1) {
		named = append(named, strings.Split(m[1], ", ")...)
	}
	for _, typ := range Types() {
		if slices.Contains(named, typ.Name) == (typ.table != nil) {
			t.Errorf("%s: has a table: %t, and doc.go says why not: %t", typ.Name, typ.table != nil, slices.Contains(named, typ.Name))
		}
	}
}

// A table is data, so a name that it spells wrongly is no error of the compiler: each
// kind of option, each place in a word, each option of an endpoint is there.
func TestTablesNameWhatThereIs(t *testing.T) {
	for _, typ := range Types() {
		if typ.table == nil {
			continue
		}
		t.Run(typ.Name, func(t *testing.T) {
			tab := typ.table
			schema := typ.Schema().Options
			option := func(where, name string) {
				name, _, _ = strings.Cut(name, ".")
				if _, ok := schema[name]; !ok {
					t.Errorf("%s: there is no option %q", where, name)
				}
			}
			conditions := func(where, word string) (rest string) {
				for word != "" && strings.Contains("?!", word[:1]) {
					one, after, _ := strings.Cut(word[1:], " ")
					name, _, _ := strings.Cut(one, "=")
					option(where, name)
					word = after
				}
				return word
			}
			named := func(name string) bool {
				return slices.ContainsFunc(tab.endpoints, func(l endpoint) bool { return l.name == name })
			}
			word := func(where, word string) {
				rest := conditions(where, word)
				if rest == "" && word != "" && !strings.HasSuffix(word, " ") {
					t.Errorf("%s: a condition without a word: %q", where, word)
				}
				for _, m := range inBraces.FindAllStringSubmatch(rest, -1) {
					for name := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSuffix(m[1], "..."), "?"), "|") {
						first, _, _ := strings.Cut(name, "/")
						if slices.Contains([]string{"bin", "pkg", "jre", "data", "run", "instance"}, first) {
							continue
						}
						name, _, _ = strings.Cut(strings.TrimSuffix(name, "!"), ".")
						if !named(name) {
							option(where, name)
						}
					}
				}
			}
			for _, list := range [][]string{tab.argv, tab.env, tab.dirs, tab.test, {tab.dir, tab.ready.http}} {
				for _, w := range list {
					_, value, isEnv := strings.Cut(w, "=")
					if isEnv && slices.Contains(tab.env, w) {
						w = value
					}
					word("words", w)
				}
			}
			for _, c := range tab.configs {
				for _, e := range c.base {
					conditions(c.path, e.key)
					switch v := e.value.(type) {
					case string:
						word(c.path, v)
					case number:
						word(c.path, string(v))
					case some:
						option(c.path, string(v))
					case whole:
						option(c.path, string(v))
					}
				}
				for _, name := range slices.Concat(c.overlay, c.tail) {
					option(c.path, name)
				}
				if c.instead != "" {
					option(c.path, c.instead)
				}
			}
			for _, e := range tab.endpoints {
				if e.port == "" && len(e.ports)+len(e.both) == 0 && !e.silent && e.number == 0 {
					t.Errorf("endpoint %s: nothing says its port", e.name)
				}
				conditions("endpoint "+e.name, e.when)
				for _, name := range []string{e.above, e.beside} {
					if name != "" && !named(name) {
						t.Errorf("endpoint %s: there is no endpoint %q", e.name, name)
					}
				}
				for _, name := range []string{e.port, e.address, e.file} {
					if name != "" {
						option("endpoint "+e.name, name)
					}
				}
				for _, source := range slices.Concat(e.ports, e.hosts, e.both, e.socket) {
					if source, _, _ := strings.Cut(source, ":"); source[0] != '-' {
						option("endpoint "+e.name, source)
					} else if tab.extra == "" {
						t.Errorf("endpoint %s: a flag, and no option for flags", e.name)
					}
				}
			}
			for _, list := range [][]string{tab.ready.guard, tab.ready.scheme, tab.behind} {
				for _, source := range list {
					if source, _, _ := strings.Cut(source, ":"); source[0] != '-' {
						option("ready or behind", source)
					} else if tab.extra == "" {
						t.Errorf("%q: a flag, and no option for flags", source)
					}
				}
			}
			if r := tab.ready; r.listener != "" && !named(r.listener) ||
				r.protocol != "" && !slices.Contains(probe.Protocols(), r.protocol) || r.protocol == "" && r.http == "" {
				t.Errorf("there is no such way to be ready: %+v", r)
			}
			if _, ok := project.SystemUsers()[typ.User]; !ok && typ.User != "" {
				t.Errorf("user %q has no number", typ.User)
			}
			if p := packages.Lookup(typ.Package); !p.Known || typ.User != "" && !slices.Contains(p.Users, typ.User) {
				t.Errorf("the table of packages has no %q with user %q", typ.Package, typ.User)
			}
		})
	}
}

// Lines of a configuration are read as the server reads them, as far as what listens goes.
func TestLineValue(t *testing.T) {
	for _, c := range []struct{ lines, key, want string }{
		{"port = 1\nport = 2", "port", "2"},
		{"net:\n  port: 1 # of clients\nother:\n  port: 2", "net.port", "1"},
		{"net: { port: 1, bindIp: localhost }", "net.bindIp", "localhost"},
		{`net: { bindIp: "127.0.0.1,::1", port: 1 }`, "net.bindIp", "127.0.0.1,::1"},
		{`net: { bindIp: '127.0.0.1,::1', port: 1 }`, "net.port", "1"},
		{"net: { tls: { mode: disabled }, port: 1 }", "net.port", "1"},
		{"net: { tls: { mode: disabled, x: 2 }, port: 1 }", "net.tls.mode", "disabled"},
		{"net:\n  tls: { mode: disabled }", "net.tls.mode", "disabled"},
		{"net: { port: 1 } # all", "net.port", "1"},
		{"net: {port: 1}", "net.port", "1"},
	} {
		if got, _ := lineValue(c.lines, c.key); got != c.want {
			t.Errorf("%q: %s is %q, want %q", c.lines, c.key, got, c.want)
		}
	}
}
