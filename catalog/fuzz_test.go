package catalog_test

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nix2gpu/catalog"
	"nix2gpu/nix/module"
)

// FuzzOptions makes definitions of any type of service, whose options have any values of
// their types. Such a definition is a project, in which no process is told of a file that
// nobody writes; or it is an error with a place.
func FuzzOptions(f *testing.F) {
	for i := range catalog.Types() {
		f.Add(entropy(i, 0))
	}
	f.Fuzz(func(t *testing.T, choices []byte) { tryOptions(t, choices) })
}

// TestRandomOptions is FuzzOptions for some hundred definitions, always the same.
func TestRandomOptions(t *testing.T) {
	projects := 0
	for i := range catalog.Types() {
		for round := range 16 {
			if tryOptions(t, entropy(i, round)) {
				projects++
			}
		}
	}
	if projects < 100 { // else the values are too wild to try what comes of them
		t.Errorf("only %d of the definitions are a project", projects)
	}
}

// entropy is what decides about one definition of the type with that number.
func entropy(typ, round int) []byte {
	r := rand.New(rand.NewPCG(uint64(typ), uint64(round)))
	out := []byte{byte(typ)}
	for range 400 {
		out = append(out, byte(r.Uint32()))
	}
	return out
}

var socketPort = regexp.MustCompile(`\.s\.PGSQL\.\d+$`)

// writtenUnlessSet are further ones of writtenByServers, of options that name another place.
var writtenUnlessSet = map[string]string{"mlflow": "data/mlflow.db"}

func tryOptions(t *testing.T, choices []byte) (isProject bool) {
	t.Helper()
	c := &chooser{choices: choices}
	types := catalog.Types()
	typ := types[c.below(len(types))]
	text := "{ services." + typ.Name + ".a = " + c.set(typ.Rows(), "enable = true; ") + "; }"
	p, err := generate(t, "t.nix", text)
	if err != nil {
		if !strings.Contains(err.Error(), "t.nix:") {
			t.Errorf("%s\nan error without a place: %v", text, err)
		}
		return false
	}
	if _, err := p.Encode(); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
	var sockets []string
	for _, proc := range p.Processes {
		if proc.Readiness != nil && proc.Readiness.Server != nil {
			sockets = append(sockets, marked(proc.Readiness.Server.Socket)) // which the server makes
		}
	}
	isSocket := func(path string) bool { // which may have been cut at a sign that is in few paths
		return slices.ContainsFunc(sockets, func(s string) bool { return strings.HasPrefix(s, path) })
	}
	for _, wrong := range unwritten(p, func(typ, short string) bool {
		full := strings.NewReplacer("run/", "\x00run/"+typ+".a/").Replace(short)
		full = strings.Replace(full, "data/", "\x00root/data/"+typ+"/a/", 1)
		if strings.HasPrefix(full, "\x00root/") && !strings.HasPrefix(full, "\x00root/data/") {
			return true // a file of the user's, by a text
		}
		return slices.Contains(writtenByServers[typ], short) || writtenUnlessSet[typ] == short || isSocket(full) || socketPort.MatchString(short)
	}) {
		t.Errorf("%s\n%s", text, wrong)
	}
	return true
}

// A chooser makes values of what it is given; when that is used up, the first of each choice.
type chooser struct{ choices []byte }

func (c *chooser) below(n int) int {
	if len(c.choices) == 0 {
		return 0
	}
	b := c.choices[0]
	c.choices = c.choices[1:]
	return int(b) % n
}

func (c *chooser) of(list ...string) string { return list[c.below(len(list))] }

// set is a set of some of the options that rows declare.
func (c *chooser) set(rows []module.Row, more string) string {
	var b strings.Builder
	b.WriteString("{ " + more)
	for len(rows) > 0 {
		name := strings.TrimLeft(rows[0][0], " ")
		indent, inside := len(rows[0][0])-len(name), 1
		for inside < len(rows) && rows[inside][0][indent] == ' ' {
			inside++
		}
		kind, _, _ := strings.Cut(rows[0][1], " e.g. ")
		kind, _, _ = strings.Cut(kind, " = ")
		kind, _, _ = strings.Cut(kind, " ~ ")
		kind, required := strings.CutPrefix(kind, "required ")
		if !strings.HasPrefix(kind, "alias ") && !strings.HasPrefix(kind, "refused ") && (required || c.below(3) == 1) {
			kind = strings.TrimPrefix(kind, "inert ")
			r := &kindReader{c: c, inside: rows[1:inside], rest: strings.Fields(strings.NewReplacer("(", "( ", ")", " )").Replace(kind))}
			b.WriteString(strconv.Quote(name) + " = " + r.value() + "; ")
		}
		rows = rows[inside:]
	}
	return b.String() + "}"
}

// A kindReader makes a value of a type as rows write it.
type kindReader struct {
	c      *chooser
	inside []module.Row
	rest   []string
}

func (r *kindReader) next() (word string) {
	if len(r.rest) > 0 {
		word, r.rest = r.rest[0], r.rest[1:]
	}
	return word
}

// value makes one of the types with | between.
func (r *kindReader) value() string {
	all := []string{r.one()}
	for len(r.rest) > 0 && r.rest[0] == "|" {
		r.next()
		all = append(all, r.one())
	}
	return r.c.of(all...)
}

func (r *kindReader) one() string {
	switch word := r.next(); word {
	case "null":
		return r.c.of(r.value(), "null")
	case "list":
		rest := slices.Clone(r.rest)
		list := "[ " + r.value()
		for range r.c.below(3) {
			again := &kindReader{c: r.c, inside: r.inside, rest: slices.Clone(rest)}
			list += " " + again.value()
		}
		return r.c.of(list+" ]", "[ ]")
	case "attrs":
		name := r.c.of("a", "b c", "x.y", "/", `~ \.php$`, "é", "a/b", `a"b`, "127.0.0.1:1", ":80", "mysqld", "port", "listen")
		return "{ " + nixString(name) + " = " + r.value() + "; }"
	case "(":
		v := r.value()
		r.next()
		return v
	case "{}", "set":
		return r.c.set(r.inside, "")
	case "enum":
		var words []string
		for len(r.rest) > 0 && r.rest[0] != "|" && r.rest[0] != ")" {
			words = append(words, nixString(r.next()))
		}
		return r.c.of(words...)
	case "bool":
		return r.c.of("true", "false")
	case "int":
		return r.c.of("1", "0", "(-1)", "65536", "9223372036854775807")
	case "unsigned", "positive":
		return r.c.of("1", "7", "65536", "4294967297")
	case "port":
		return r.c.of("7000", "1", "65535", "0")
	case "float", "number":
		return r.c.of("1.5", "0.0")
	case "file", "path", "key", "program":
		return r.c.of(`"./user-file"`, `"/srv/user-file"`, `"user-a b\"c"`, "./user-path")
	case "secret":
		return r.c.of(`"pass \"word\""`, `{ secret = "user-secret"; }`)
	case "package":
		return r.c.of("pkgs.bash", "pkgs.python3")
	case "raw":
		return "[ ]"
	case "json", "anything":
		return r.c.of(`{ listen = "127.0.0.1:1"; a = [ 1 null { b = true; } ]; }`, `{ }`, `{ port = 1; host = "0.0.0.0"; cluster.port = 3; }`)
	case "bucket":
		return `"a-bucket"`
	default:
		if low, high, ok := strings.Cut(word, ".."); ok {
			return r.c.of(low, high)
		}
		return nixString(r.c.of("x", "", "a b", `"q" \`, "new\nline", "${x}", ":", "-", "--x=y", "127.0.0.1", "0.0.0.0:1", "unix:/run/user-x", "/", "é", "99999", "[::1]:2", ",,", "{", "}", "# x", "a=b",
			"http://x:1/y", "server.0=a:1:2", "listen 80", "*"))
	}
}

func nixString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`, "\n", `\n`).Replace(s) + `"`
}
