package eval

import (
	"cmp"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// flakeRefBuiltins are those that take references of flakes apart. They look at the text
// alone: nothing is fetched, and no file is read.
func flakeRefBuiltins() []*Builtin {
	return []*Builtin{
		{Name: "parseFlakeRef", Args: []string{"ref"},
			Doc: "The set that a flake reference stands for, such as { type = \"github\"; owner = …; repo = …; } for \"github:owner/repo\".",
			Fn:  func(t *Thread, args []Value) Value { return t.parseFlakeRef(t.plainText(args[0])) }},
		{Name: "flakeRefToString", Args: []string{"set"},
			Doc: "The flake reference of a set as of parseFlakeRef, as text.",
			Fn:  func(t *Thread, args []Value) Value { return Str(t.flakeRefText(t.Attrs(args[0]))) }},
	}
}

var (
	flakeID   = expression(`^[a-zA-Z][a-zA-Z0-9_-]*$`)
	commit    = expression(`^[0-9a-f]{40}$`)
	hasScheme = expression(`^[a-zA-Z][a-zA-Z0-9+.-]*:`)
	tarball   = expression(`\.(zip|tar|tgz|tar\.gz|tar\.xz|tar\.bz2|tar\.zst)$`)
)

// expression returns a function that reports whether a text matches.
func expression(re string) func(text string) bool {
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(re) })
	return func(text string) bool { return compiled().MatchString(text) }
}

// forges are the kinds of reference that name an owner and a repository.
var forges = []string{"github", "gitlab", "sourcehut"}

// switches are the attributes of a git reference that are yes or no.
var switches = []string{"allRefs", "exportIgnore", "lfs", "shallow", "submodules", "verifyCommit"}

// parseFlakeRef implements builtins.parseFlakeRef.
func (t *Thread) parseFlakeRef(text string) Value {
	fail := func(why string) { t.Throw("'%s' is not a flake reference: %s", text, why) }
	if text == "" {
		fail("it is empty; write github:owner/repo, git+https://…, or path:/…")
	}
	if strings.Contains(text, "#") {
		fail("it has a fragment; leave out what begins with #")
	}
	set := map[string]Value{}
	put := func(name, v string) { set[name] = Str(v) }
	if !hasScheme(text) {
		words := strings.Split(text, "/")
		if flakeID(words[0]) {
			t.refAndRev(set, words[1:], fail)
			put("type", "indirect")
			put("id", words[0])
			return AttrsOf(set)
		}
		if text[0] != '/' {
			fail("a path must be absolute here; write path: before it, or a whole path")
		}
		text = "path:" + text
	}
	ref, err := url.Parse(text)
	if err != nil {
		fail("it is not a URL")
	}
	query := map[string]string{}
	for name, values := range ref.Query() {
		query[name] = values[0]
	}
	take := func(names ...string) {
		for _, name := range names {
			if v, ok := query[name]; ok {
				put(name, v)
				delete(query, name)
			}
		}
	}
	number := func(names ...string) {
		for _, name := range names {
			if v, ok := query[name]; ok {
				n, err := strconv.ParseInt(v, 10, 64)
				if err != nil {
					fail(name + " must be a number")
				}
				set[name] = Int(n)
				delete(query, name)
			}
		}
	}
	take("dir")
	kind, transport, _ := strings.Cut(ref.Scheme, "+")
	rest := cmp.Or(ref.Opaque, ref.EscapedPath())
	switch {
	case kind == "flake":
		words := strings.Split(rest, "/")
		if !flakeID(words[0]) {
			fail("after flake: there must be a name of the registry")
		}
		put("id", words[0])
		t.refAndRev(set, words[1:], fail)
		kind = "indirect"
	case slices.Contains(forges, kind):
		words := strings.Split(rest, "/")
		if len(words) < 2 || words[0] == "" || words[1] == "" {
			fail("it must be " + kind + ":owner/repo")
		}
		put("owner", words[0])
		put("repo", words[1])
		take("ref", "rev", "host", "narHash")
		number("lastModified")
		if at := strings.Join(words[2:], "/"); at != "" {
			name := "ref"
			if commit(at) {
				name = "rev"
			}
			if _, ok := set[name]; ok {
				fail("it has two of " + name)
			}
			put(name, at)
		}
		if set["ref"] != nil && set["rev"] != nil {
			fail("it has both ref and rev; write one of them")
		}
	case kind == "path":
		if ref.Host != "" {
			fail("a path has no host")
		}
		if rest, err = url.PathUnescape(rest); err != nil {
			fail("it is not a URL")
		}
		if strings.HasPrefix(rest, "/") {
			rest = path.Clean(rest)
		}
		put("path", rest)
		take("rev", "narHash")
		number("revCount", "lastModified")
	case kind == "git" || kind == "hg":
		take("ref", "rev", "narHash")
		number("revCount", "lastModified")
		for _, name := range switches {
			if v, ok := query[name]; ok && kind == "git" {
				set[name] = Bool(v == "1")
				delete(query, name)
			}
		}
		put("url", withoutKind(ref, cmp.Or(transport, kind), query))
	case kind == "tarball" || kind == "file" || kind == "http" || kind == "https":
		scheme := ref.Scheme
		if transport != "" {
			scheme = transport
		} else if kind != "tarball" {
			kind = kindOfURL(ref.Path)
		}
		take("rev", "narHash")
		number("revCount", "lastModified")
		put("url", withoutKind(ref, scheme, query))
	default:
		fail("there are no references of the kind " + ref.Scheme + "; there are github, gitlab, sourcehut, git, hg, path, tarball, file and flake")
	}
	if slices.Contains(forges, kind) || kind == "path" || kind == "indirect" {
		for name := range query {
			fail("it has an unknown parameter " + name)
		}
	}
	put("type", kind)
	return AttrsOf(set)
}

// kindOfURL says whether what is behind a URL is unpacked.
func kindOfURL(path string) string {
	if tarball(path) {
		return "tarball"
	}
	return "file"
}

// refAndRev reads what follows the name of a flake: /ref, /rev or /ref/rev.
func (t *Thread) refAndRev(set map[string]Value, words []string, fail func(string)) {
	switch {
	case len(words) == 0:
	case len(words) == 1 && commit(words[0]):
		set["rev"] = Str(words[0])
	case len(words) == 1 && words[0] != "":
		set["ref"] = Str(words[0])
	case len(words) == 2 && commit(words[1]):
		set["ref"], set["rev"] = Str(words[0]), Str(words[1])
	default:
		fail("after the name there may be /branch, /commit or /branch/commit")
	}
}

// withoutKind returns a URL with another scheme, and with only the parameters in query.
func withoutKind(ref *url.URL, scheme string, query map[string]string) string {
	out := *ref
	out.Scheme, out.RawQuery = scheme, encode(query)
	return out.String()
}

// encode writes parameters sorted by name.
func encode(query map[string]string) string {
	v := url.Values{}
	for name, text := range query {
		v.Set(name, text)
	}
	// as Nix writes them: a digest keeps its slashes, and a space is no plus
	return strings.NewReplacer("%2F", "/", "%3A", ":", "+", "%20").Replace(v.Encode())
}

// flakeRefText implements builtins.flakeRefToString.
func (t *Thread) flakeRefText(set *Attrs) string {
	query := map[string]string{}
	for i := range set.Len() {
		name, v, _ := set.At(i)
		switch v := t.Force(v).(type) {
		case *String:
			query[name] = v.Text()
		case Int:
			query[name] = strconv.FormatInt(int64(v), 10)
		case Bool:
			if v {
				query[name] = "1"
			}
		default:
			t.Throw("the attribute '%s' of a flake reference must be a string, a number or a boolean, not %s", name, WithArticle(v))
		}
	}
	need := func(name string) string {
		v, ok := query[name]
		if !ok {
			t.Throw("a flake reference of type '%s' needs the attribute '%s'", query["type"], name)
		}
		delete(query, name)
		return v
	}
	optional := func(names ...string) (text string) {
		for _, name := range names {
			if v, ok := query[name]; ok {
				text += "/" + v
				delete(query, name)
			}
		}
		return text
	}
	kind, ok := query["type"]
	if !ok {
		t.Throw("a flake reference needs the attribute 'type', such as \"github\"")
	}
	var text string
	switch {
	case kind == "indirect":
		text = "flake:" + need("id") + optional("ref", "rev")
	case slices.Contains(forges, kind):
		text = kind + ":" + need("owner") + "/" + need("repo") + optional("ref", "rev")
	case kind == "path":
		text = "path:" + (&url.URL{Path: need("path")}).EscapedPath()
	case kind == "git" || kind == "hg":
		if text = need("url"); !strings.HasPrefix(text, kind+":") {
			text = kind + "+" + text
		}
	case kind == "tarball" || kind == "file":
		text = need("url")
		if file, _, _ := strings.Cut(text, "?"); kindOfURL(file) != kind {
			text = kind + "+" + text
		}
	default:
		t.Throw("there are no flake references of the type '%s'; there are github, gitlab, sourcehut, git, hg, path, tarball, file and indirect", kind)
	}
	delete(query, "type")
	if len(query) == 0 {
		return text
	}
	return text + map[bool]string{true: "&", false: "?"}[strings.Contains(text, "?")] + encode(query)
}
