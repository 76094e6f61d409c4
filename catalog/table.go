package catalog

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"

	"nix2gpu/nix/module"
	"nix2gpu/project"
)

// A table says as data what an instance of a type comes to. What holds for all types,
// such as that a port of the settings wins over the option, is in the code that reads it,
// and so in no type.
//
// A word is a text with places in braces:
//
//	{bin/x}       a program of the package; {pkg/x} another path there; {jre/x} one of Java's
//	{data/x}      a path below dataDir, {run/x} below the run folder
//	{web}         host and port of the endpoint called web; {web.host}, {web.scheme};
//	              {web.hosts} all of its hosts, with the ports that some have of their own; {web.port} is
//	              that of the others; {web!} an address at which it answers, {web.at} its host
//	{instance}    the name of the instance
//	{option}      the value of an option; {a.b} of one in a set
//	{a|b}         the first of these options that is there
//	{option?}     the same, and "" leaves nothing out
//	{option...}   each element of a list, as a word of its own
//
// A word with an option that is null or "" is left out. One that begins with "?option " or
// "?option=value " is there only when that holds, with "!option " only when not; several such must all hold. A flag that
// the user gives in extra is left out as well: most servers refuse one that comes twice.
type table struct {
	endpoints []endpoint
	configs   []config
	argv      []string
	env       []string // NAME=word, of which the last that is there holds
	dirs      []string // "word mode keep": what outlives the container is kept
	dir       string   // the working directory; default: the container's
	ready     ready
	test      []string // tests the configuration; may be empty
	extra     string   // the option with the user's own arguments
	success   []int    // exit codes beside 0
	behind    []string // sources, as of an endpoint, the strongest first, by which the server would leave for the background; a flag says so by itself
	stop      project.Signal

	// finish adds what no table can say.
	finish func(in *tableInstance, main *project.Process)
}

// An endpoint is a place where the server takes connections. What else says where, beside
// the options for it, is listed by the strongest first: the path of a setting, "option:key" for
// a line of text, or the spellings of a flag of extra.
type endpoint struct {
	name    string
	port    string // the option, as a path; "" when there is none
	number  int    // the port, when there is no option for it; and where both says none
	above   string // the endpoint whose port it is above, likewise
	by      int    // that much; default: 10000
	beside  string // the endpoint whose addresses it has, likewise; unless it has hosts, also where both says a port alone
	address string // the option, as a path; "" is the loopback address
	ports   []string
	hosts   []string
	both    []string // says host and port, perhaps of several listeners, perhaps as URLs
	socket  []string // says the path of a socket that is used instead
	anyHost string   // the server's word for all addresses, where it takes no other
	udp     bool
	silent  bool   // not declared, because not every version listens there
	file    string // the option with a configuration of the user's, which then says the address: all, unless the option for it does
	when    string // as in a word: whether it listens; default: always
}

// ready is how the server says that it serves.
type ready struct {
	listener string // its name
	http     string // a word: the path to ask for; "" is by protocol
	scheme   []string
	protocol string // one of probe.Protocols
	slow     bool   // it takes seconds to start

	// guard are the sources, as of an endpoint, that let only those in whom the probe does not
	// belong to: who connects is answer enough then.
	guard []string
}

// A bound is where a listener of an instance listens.
type bound struct {
	scheme string
	host   string
	port   int
	others int      // the port of those that have none of their own
	option []string // that says so
}

// A tableInstance is an instance of a type that has a table.
type tableInstance struct {
	*Instance
	table  *table
	bounds map[string][]bound
	socket project.Text // where the first listener listens instead
	main   *project.Process
}

func generateTable(in *Instance) {
	r := &tableInstance{Instance: in, table: in.Type.table, bounds: map[string][]bound{}}
	for i := range r.table.endpoints {
		r.bind(&r.table.endpoints[i])
	}
	r.main = in.Main(project.Command{})
	r.main.Command.Exec = r.words(r.table.argv)
	if len(r.table.test) > 0 {
		r.main.Test = &project.ConfigTest{Command: project.Command{Exec: r.words(r.table.test)}}
	}
	for _, env := range r.table.env {
		name, word, _ := strings.Cut(env, "=")
		word, holds := r.condition(word)
		if text, ok := r.word(word); ok && holds {
			r.main.Env[name] = project.Value{Text: text}
		}
	}
	for _, dir := range r.table.dirs {
		if dir, ok := r.condition(dir); ok {
			f := strings.Fields(dir + " - -")
			text, _ := r.word(f[0])
			r.main.Dirs = append(r.main.Dirs, project.Dir{Path: text, Mode: strings.Trim(f[1], "-"), Keep: f[2] == "keep"})
		}
	}
	if r.table.dir != "" {
		r.main.Dir, _ = r.word(r.table.dir)
	}
	for i := range r.table.configs {
		if c := &r.table.configs[i]; c.instead == "" || !in.Has(c.instead) {
			r.main.Files = append(r.main.Files, c.file(r))
		} else {
			c.unused(r)
		}
	}
	r.stays()
	r.main.Shutdown.Signal = r.table.stop
	r.main.SuccessCode = slices.Clone(r.table.success)
	r.main.Readiness = r.probe()
	if r.table.finish != nil {
		r.table.finish(r, r.main)
	}
}

// stays reports the strongest of the sources that would have the server leave for the background.
func (in *tableInstance) stays() {
	for _, source := range in.table.behind {
		flags := strings.Fields(source)
		text, at, said := in.said([]string{source})
		if source[0] == '-' {
			said = slices.ContainsFunc(in.Strings(in.table.extra), func(word string) bool { return slices.Contains(flags, word) })
			text, at = "true", []string{in.table.extra}
		}
		if said && text == "true" {
			in.background(in.Get(at...))
		}
		if said {
			return
		}
	}
}

// bind finds out where a listener listens, and declares it.
func (in *tableInstance) bind(l *endpoint) {
	if _, ok := in.condition(l.when); !ok {
		return
	}
	if text, _, ok := in.said(l.socket); ok {
		in.socket = in.place.Path(module.Str{S: text})
		return
	}
	host, port, option := "127.0.0.1", l.number, strings.Split(l.port, ".")
	switch {
	case l.port != "":
		port = in.Int(option...)
	case len(l.both) > 0:
		option = strings.Split(l.both[0], ".")
	case len(in.bounds[l.above]) > 0:
		below := in.bounds[l.above][0]
		port, option = below.port+cmp.Or(l.by, 10000), below.option
	}
	if l.address != "" {
		host = in.String(strings.Split(l.address, ".")...)
	}
	if l.file != "" && in.Has(strings.Split(l.file, ".")...) && !in.IsSet(strings.Split(l.address, ".")...) {
		host = "*"
	}
	if l.beside != "" {
		var all []string
		for _, b := range in.bounds[l.beside] {
			all = append(all, b.host)
		}
		host = strings.Join(all, ",")
	}
	if text, at, ok := in.said(l.ports); ok && text != "" {
		port, _ = strconv.Atoi(text) // the server refuses anything that is not a number
		option = at
	}
	if text, _, ok := in.said(l.hosts); ok && (text != "" || l.anyHost == "") {
		host = text
	}
	text, at, whole := in.said(l.both)
	if n, err := strconv.Atoi(strings.TrimPrefix(text, ":")); err == nil && l.beside != "" && len(l.hosts) == 0 {
		port, option = n, at
	} else if whole {
		host, option, port = text, at, cmp.Or(l.number, port)
	}
	var found []bound
	for _, one := range strings.FieldsFunc(host, func(c rune) bool { return c == ',' || c == ' ' }) {
		b := bound{scheme: "http", host: one, port: port, others: port, option: option}
		if scheme, rest, ok := strings.Cut(one, "://"); ok {
			one, _, _ = strings.Cut(rest, "/") // an address has no path
			b.scheme, b.host = scheme, one
			b.port = cmp.Or(map[string]int{"http": 80, "https": 443}[scheme], port)
			b.others = b.port
		}
		if h, n, ok := splitHostPort(one); ok {
			if b.host = h; h == "*" {
				b.host, _, _ = net.SplitHostPort(one) // "" or as it is written: not every server takes "*"
			}
			if !l.udp || whole { // a port beside an address is that of TCP
				b.port = n
			}
		}
		found = append(found, b)
	}
	if len(found) == 0 {
		found = []bound{{"http", host, port, port, option}}
	}
	for i, b := range found {
		if l.anyHost != "" && everywhere(b.host) == "*" {
			found[i].host = l.anyHost
		}
		protocol := ""
		if l.udp {
			protocol = "udp"
		}
		if !l.silent {
			in.listen(b.port, protocol, everywhere(b.host), b.option...)
		}
	}
	in.bounds[l.name] = found
}

// said returns the first of the sources that the user has set, as text, and its path.
func (in *tableInstance) said(sources []string) (text string, at []string, ok bool) {
	for _, source := range sources {
		if source[0] == '-' {
			if text, ok := flagValue(in.Strings(in.table.extra), strings.Fields(source)...); ok {
				return text, []string{in.table.extra}, true
			}
			continue
		}
		if option, key, ok := strings.Cut(source, ":"); ok {
			if text, ok := lineValue(in.String(option), key); ok {
				return text, []string{option}, true
			}
			continue
		}
		at := strings.Split(source, ".")
		c := in.Get(at...)
		if c.Kind() == module.Missing && len(at) > 2 { // a name with dots in it
			at = []string{at[0], strings.Join(at[1:], ".")}
			c = in.Get(at...)
		}
		switch c.Kind() {
		case module.KindStr, module.KindInt:
			return in.scalar(c).String(), at, true
		case module.KindBool:
			if c.Bool() {
				return "true", at, true
			}
		case module.KindList:
			if list := c.Strings(); len(list) > 0 {
				return strings.Join(list, ","), at, true
			}
		case module.KindNull:
			if len(at) > 2 { // in a section: our line goes
				return "", at, true
			}
		}
	}
	return "", nil, false
}

// lineValue is the value of a key in lines such as "key = value" and "key: value", of the
// last where there are several. What is indented below a "key:", or in braces after it,
// belongs to that key: the names are joined by dots.
func lineValue(lines, key string) (value string, ok bool) {
	type level struct {
		indent int
		prefix string
	}
	above := []level{{-1, ""}}
	for line := range strings.Lines(lines) {
		name, text, yaml := cutLine(line)
		if name == "" {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " "))
		for indent <= above[len(above)-1].indent {
			above = above[:len(above)-1]
		}
		name = above[len(above)-1].prefix + name
		if name == key {
			value, ok = text, true
		}
		if yaml && text == "" {
			above = append(above, level{indent, name + "."})
		}
		if yaml {
			flowValues(name, text, func(name, text string) {
				if name == key {
					value, ok = text, true
				}
			})
		}
	}
	return value, ok
}

// flowValues says what is in a text such as { a: 1, b: { c: 2 } }, below a name.
func flowValues(name, text string, say func(name, text string)) {
	set, is := strings.CutPrefix(text, "{")
	if !is {
		return
	}
	quote, depth := rune(0), 0
	for _, one := range strings.FieldsFunc(strings.TrimSuffix(set, "}"), func(c rune) bool {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}':
			depth--
		}
		return c == ',' && quote == 0 && depth == 0
	}) {
		if sub, text, _ := cutLine(one); sub != "" {
			say(name+"."+sub, text)
			flowValues(name+"."+sub, text, say)
		}
	}
}

// cutLine splits a line into a key, which is "" for none, and its value; yaml says that a colon is between.
func cutLine(line string) (key, value string, yaml bool) {
	i := strings.IndexAny(line, "=:")
	if i <= 0 || strings.TrimSpace(line)[0] == '#' {
		return "", "", false
	}
	key, value, yaml = strings.Trim(strings.TrimSpace(line[:i]), `"'`), line[i+1:], line[i] == ':'
	if yaml {
		value, _, _ = strings.Cut(value, " #")
	}
	return key, strings.Trim(strings.TrimSpace(value), `"'`), yaml
}

func (in *tableInstance) probe() *project.Probe {
	r := in.table.ready
	p := &project.Probe{}
	if r.slow {
		p.Period = slowStart
	}
	if !in.socket.IsEmpty() {
		p.Server = &project.ServerCheck{Protocol: r.protocol, Socket: in.socket}
		return p
	}
	at := bound{host: "127.0.0.1"}
	if found := in.bounds[r.listener]; len(found) > 0 {
		at = found[0]
	}
	if r.protocol != "" {
		p.Server = &project.ServerCheck{Protocol: r.protocol, Host: reachable(at.host), Port: at.port}
		return p
	}
	if _, _, guarded := in.said(r.guard); guarded {
		p.TCP = &project.TCPCheck{Host: reachable(at.host), Port: at.port}
		return p
	}
	path, _ := in.word(r.http)
	p.HTTP = &project.HTTPCheck{Host: reachable(at.host), Port: at.port, Path: path.String()}
	if p.HTTP.Scheme, _, _ = in.said(r.scheme); at.scheme == "https" {
		p.HTTP.Scheme = at.scheme
	}
	return p
}

// words expands the words of a command.
func (in *tableInstance) words(list []string) []project.Text {
	var out []project.Text
	own := in.Strings(in.table.extra)
	for _, word := range list {
		word, ok := in.condition(word)
		if !ok {
			continue
		}
		if name, is := strings.CutSuffix(word, "...}"); is {
			prefix, name, _ := strings.Cut(name, "{")
			for _, s := range in.Strs(name) {
				out = append(out, project.Join(project.Lit(prefix), in.place.Text(s)))
			}
			continue
		}
		if name, _, is := strings.Cut(word, "="); is && name[0] == '-' {
			if _, given := flagValue(own, in.table.spellings(name)...); given {
				continue
			}
		}
		if text, ok := in.word(word); ok {
			out = append(out, text)
		}
	}
	return out
}

// spellings are the ways to write a flag: as a listener's sources say, else with one dash
// or two.
func (t *table) spellings(flag string) []string {
	for i := range t.endpoints {
		l := &t.endpoints[i]
		for _, source := range slices.Concat(l.ports, l.hosts, l.both) {
			if words := strings.Fields(source); slices.Contains(words, flag) {
				return words
			}
		}
	}
	return []string{flag, strings.TrimPrefix(flag, "-")}
}

// condition takes the conditions off a word, and reports whether all of them hold.
func (in *tableInstance) condition(word string) (rest string, holds bool) {
	holds = true
	for word != "" && (word[0] == '?' || word[0] == '!') {
		one, after, _ := strings.Cut(word, " ")
		holds = holds && in.holds(one[1:]) == (one[0] == '?')
		word = after
	}
	return word, holds
}

func (in *tableInstance) holds(condition string) bool {
	name, want, compares := strings.Cut(condition, "=")
	switch c := in.Get(strings.Split(name, ".")...); {
	case compares:
		return in.scalar(c).String() == want
	case c.Kind() == module.KindBool:
		return c.Bool()
	case c.Kind() == module.KindStr:
		return c.String() != ""
	case c.Kind() == module.KindList:
		return len(c.List()) > 0
	default:
		return c.Has()
	}
}

// word expands one word; ok is false if it is left out.
func (in *tableInstance) word(word string) (out project.Text, ok bool) {
	for {
		literal, rest, found := strings.Cut(word, "{")
		if literal != "" || len(out) == 0 && !found {
			out = project.Join(out, project.Lit(literal))
		}
		if !found {
			return out, true
		}
		name, after, _ := strings.Cut(rest, "}")
		name, mayBeEmpty := strings.CutSuffix(name, "?")
		var value project.Text
		for one := range strings.SplitSeq(name, "|") {
			if value = in.value(one); !value.IsEmpty() {
				break
			}
		}
		if value.IsEmpty() && !mayBeEmpty {
			return nil, false
		}
		out, word = project.Join(out, value), after
		if after == "" {
			return out, true
		}
	}
}

// value is what stands in a word for a name in braces.
func (in *tableInstance) value(name string) project.Text {
	first, sub := name, ""
	if i := strings.IndexByte(name, '/'); i >= 0 {
		first, sub = name[:i], name[i:]
	}
	switch first {
	case "bin":
		return in.Program(sub[1:])
	case "instance":
		return project.Lit(in.Name)
	case "jre":
		in.main.Packages = append(in.main.Packages, project.PackageRef{Attr: "jre", Pos: in.service.Pos})
		return project.PackagePath("jre", sub)
	case "pkg":
		return project.Join(trimSuffix(in.Program("x"), "/bin/x"), project.Lit(sub))
	case "data":
		return in.Data(sub)
	case "run":
		return in.RunDir(sub)
	}
	listener, part, _ := strings.Cut(strings.Replace(name, "!", ".!", 1), ".")
	if found := in.bounds[listener]; len(found) > 0 {
		at := found[0]
		switch part {
		case "hosts":
			var all []string
			for _, b := range found {
				if b.port != b.others {
					b.host = hostPort(b.host, b.port)
				}
				all = append(all, b.host)
			}
			return project.Lit(strings.Join(all, ","))
		case "!":
			return project.Lit(hostPort(reachable(at.host), at.port))
		case "host":
			return project.Lit(at.host)
		case "at":
			return project.Lit(reachable(at.host))
		case "port":
			return project.Lit(strconv.Itoa(at.others))
		case "scheme":
			return project.Lit(at.scheme)
		}
		return project.Lit(hostPort(at.host, at.port))
	}
	c := in.Get(strings.Split(name, ".")...)
	switch {
	case c.Kind() == module.KindList:
		return project.Lit(strings.Join(c.Strings(), ","))
	case !c.Has():
		return nil
	case in.kindOf(name) == "key":
		return in.Lend(in.main, strings.ToLower(name), in.keyFile(c))
	case in.kindOf(name) == "file":
		return in.place.Path(c.Str())
	}
	return in.scalar(c)
}

// kindOf is the kind of one of the rows.
func (in *tableInstance) kindOf(name string) string {
	var path []string
	for _, row := range in.Type.rows {
		own := strings.TrimLeft(row[0], " ")
		path = append(path[:(len(row[0])-len(own))/2], own)
		if strings.Join(path, ".") == name {
			kind, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(row[1], "null "), "required "), " ")
			return kind
		}
	}
	return ""
}
