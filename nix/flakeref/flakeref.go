// Package flakeref reads and writes references to flakes, such as
// "github:NixOS/nixpkgs/nixos-25.05", and the attributes that stand for them in
// flake.nix and flake.lock.
//
// The forms are those of the Nix manual, "nix flake", section "Flake references"
// (https://nix.dev/manual/nix/latest/command-ref/new-cli/nix3-flake). The package is pure.
package flakeref

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Ref is a reference by its attributes, "type" among them: texts, Booleans, and
// numbers of the type int64.
type Ref map[string]any

// Type says which attributes a reference has: path, git, github, …
func (r Ref) Type() string { return r.Text("type") }

// Text returns an attribute that is a text; "" if there is none.
func (r Ref) Text(name string) string {
	s, _ := r[name].(string)
	return s
}

// Int returns an attribute that is a number; 0 if there is none.
func (r Ref) Int(name string) int64 {
	n, _ := r[name].(int64)
	return n
}

// Equal reports whether two references have the same attributes.
func (r Ref) Equal(other Ref) bool { return maps.Equal(r, other) }

// UnmarshalJSON reads the attributes, as flake.lock has them.
func (r *Ref) UnmarshalJSON(data []byte) error {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*r = make(Ref, len(raw))
	for name, value := range raw {
		var text string
		var yes bool
		if json.Unmarshal(value, &text) == nil {
			(*r)[name] = text
		} else if json.Unmarshal(value, &yes) == nil {
			(*r)[name] = yes
		} else if n, err := strconv.ParseInt(string(value), 10, 64); err == nil {
			(*r)[name] = n
		} else {
			return fmt.Errorf("%q must be a string, a Boolean or an integer, not %s", name, value)
		}
	}
	return nil
}

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// consists reports whether text begins with a character of first, and others follow of
// first and more.
func consists(text, first, more string) bool {
	return text != "" && strings.IndexByte(first, text[0]) >= 0 &&
		strings.IndexFunc(text, func(c rune) bool { return !strings.ContainsRune(first+more, c) }) < 0
}

func isID(text string) bool  { return consists(text, letters, digits+"_-") }
func isRef(text string) bool { return consists(text, letters+digits+"@", "_./+-") }
func isRev(text string) bool { return len(text) == 40 && consists(text, digits+"abcdefABCDEF", "") }

// scheme returns what is before the first colon of a URL; "" if it has none.
func scheme(text string) string {
	if kind, _, ok := strings.Cut(text, ":"); ok && consists(kind, letters, digits+"+.-") {
		return kind
	}
	return ""
}

// Parse reads a reference. One to a folder may be relative: "./sub", "path:../other".
func Parse(text string) (Ref, error) { return read(text, true) }

// ParsePlain is [Parse] for what need not be a flake: a URL that has no name of an archive is
// that of a file.
func ParsePlain(text string) (Ref, error) { return read(text, false) }

func read(text string, isFlake bool) (Ref, error) {
	r, err := parse(text, isFlake)
	if err != nil {
		return nil, fmt.Errorf("%q is no reference to a flake: %w", text, err)
	}
	return r, nil
}

func parse(text string, isFlake bool) (Ref, error) {
	plain, fragment, _ := strings.Cut(text, "#")
	if fragment != "" {
		return nil, fmt.Errorf("it must end before \"#%s\"", fragment)
	}
	rest, query, _ := strings.Cut(plain, "?")
	params := map[string]string{}
	if err := addParams(params, query); err != nil {
		return nil, err
	}
	r := Ref{}
	if dir := params["dir"]; dir != "" {
		r["dir"] = dir
	}
	delete(params, "dir")
	var kind string
	if kind = scheme(rest); kind != "" {
		rest = rest[len(kind)+1:]
	} else if first, _, _ := strings.Cut(rest, "/"); isID(first) {
		kind = "flake"
	} else {
		kind = "path"
	}
	transport, layered := kind, false
	if application, below, ok := strings.Cut(kind, "+"); ok {
		kind, transport, layered = application, below, true
	}
	switch kind {
	case "flake":
		return r, r.indirect(rest, params)
	case "path":
		return r, r.folder(rest, params)
	case "github", "gitlab", "sourcehut":
		return r, r.forge(kind, rest, params)
	case "git", "hg":
		return r, r.repository(kind, transport, rest, params)
	case "http", "https", "file", "tarball":
		if kind == "file" && layered || kind != "tarball" && !isFlake && !isArchive(rest) {
			return r, r.archive("file", transport, rest, params)
		}
		return r, r.archive("tarball", transport, rest, params)
	}
	return nil, fmt.Errorf("%q must be flake, path, git, hg, github, gitlab, sourcehut, tarball, file, http or https", kind)
}

// addParams adds the parameters of the part of a URL behind "?".
func addParams(params map[string]string, query string) error {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.PathUnescape(name)
		if err != nil {
			return err
		}
		if value, err = url.PathUnescape(value); err != nil {
			return err
		}
		if name != "" {
			params[name] = value
		}
	}
	return nil
}

// take makes an attribute of each parameter that is known, by its type.
func (r Ref) take(params map[string]string, known ...string) error {
	for _, name := range known {
		value, ok := params[name]
		if !ok {
			continue
		}
		delete(params, name)
		switch name {
		case "lastModified", "revCount":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return fmt.Errorf("%s must be a number, not %q", name, value)
			}
			r[name] = n
		case "shallow", "submodules", "allRefs", "lfs", "exportIgnore", "verifyCommit":
			r[name] = value == "1"
		case "rev":
			if !isRev(value) {
				return fmt.Errorf("rev must be 40 hexadecimal digits, not %q", value)
			}
			r[name] = strings.ToLower(value)
		default:
			r[name] = value
		}
	}
	return nil
}

// left is an error if a parameter is left.
func left(params map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		return fmt.Errorf("unknown parameter %q", name)
	}
	return nil
}

func (r Ref) indirect(rest string, params map[string]string) error {
	r["type"] = "indirect"
	parts := strings.Split(rest, "/")
	if !isID(parts[0]) || len(parts) > 3 {
		return fmt.Errorf("a flake of the registry is NAME, NAME/BRANCH or NAME/BRANCH/COMMIT")
	}
	r["id"] = parts[0]
	for i, part := range parts[1:] {
		switch {
		case isRev(part) && i == len(parts)-2:
			r["rev"] = part
		case isRef(part) && i == 0:
			r["ref"] = part
		default:
			return fmt.Errorf("%q must be a branch, a tag or a commit", part)
		}
	}
	if err := r.take(params, "rev", "ref", "narHash"); err != nil {
		return err
	}
	return left(params)
}

func (r Ref) folder(rest string, params map[string]string) error {
	r["type"] = "path"
	if host, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(host, "/") {
			return fmt.Errorf("a path has no host: path:/…")
		}
		rest = host
	}
	name, err := url.PathUnescape(rest)
	if err != nil {
		return err
	}
	if name == "" {
		return fmt.Errorf("the path is empty")
	}
	if strings.HasPrefix(name, "/") {
		name = path.Clean(name)
	}
	r["path"] = name
	if err := r.take(params, "rev", "revCount", "lastModified", "narHash"); err != nil {
		return err
	}
	return left(params)
}

func (r Ref) forge(kind, rest string, params map[string]string) error {
	r["type"] = kind
	parts := strings.SplitN(strings.Trim(rest, "/"), "/", 3)
	if len(parts) < 2 {
		return fmt.Errorf("a repository is %s:OWNER/NAME", kind)
	}
	for i, name := range []string{"owner", "repo"} {
		text, err := url.PathUnescape(parts[i])
		if err != nil || text == "" {
			return fmt.Errorf("a repository is %s:OWNER/NAME", kind)
		}
		r[name] = text
	}
	if len(parts) == 3 {
		switch at := parts[2]; {
		case isRev(at):
			r["rev"] = strings.ToLower(at)
		case isRef(at):
			r["ref"] = at
		default:
			return fmt.Errorf("%q must be a branch, a tag or a commit", at)
		}
	}
	for _, name := range []string{"rev", "ref"} {
		if params[name] != "" && (r["rev"] != nil || r["ref"] != nil) {
			return fmt.Errorf("it names two commits, branches or tags")
		}
		if err := r.take(params, name); err != nil {
			return err
		}
	}
	if err := r.take(params, "host", "narHash", "lastModified"); err != nil {
		return err
	}
	return left(params)
}

// switches are the attributes of a repository that are yes or no.
var switches = []string{"shallow", "submodules", "allRefs", "lfs", "exportIgnore", "verifyCommit"}

func (r Ref) repository(kind, transport, rest string, params map[string]string) error {
	r["type"] = kind
	if transport != "git" && transport != kind && !slices.Contains([]string{"file", "http", "https", "ssh"}, transport) || transport == "hg" {
		return fmt.Errorf("a repository is reached by %s+file, %[1]s+http, %[1]s+https or %[1]s+ssh", kind)
	}
	if err := r.take(params, slices.Concat([]string{"rev", "ref", "narHash", "lastModified", "revCount"}, switches)...); err != nil {
		return err
	}
	r["url"] = transport + ":" + rest + queryText(params)
	return nil
}

func (r Ref) archive(kind, transport, rest string, params map[string]string) error {
	r["type"] = kind
	if !slices.Contains([]string{"file", "http", "https"}, transport) {
		return fmt.Errorf("an archive is reached by file, http or https")
	}
	if err := r.take(params, "narHash", "lastModified", "rev", "revCount"); err != nil {
		return err
	}
	r["url"] = transport + ":" + rest + queryText(params)
	return nil
}

// Check returns what is wrong with attributes that were not made by Parse.
func (r Ref) Check() error {
	need := map[string][]string{
		"indirect": {"id"}, "path": {"path"}, "git": {"url"}, "hg": {"url"}, "tarball": {"url"}, "file": {"url"},
		"github": {"owner", "repo"}, "gitlab": {"owner", "repo"}, "sourcehut": {"owner", "repo"},
	}
	names, ok := need[r.Type()]
	switch {
	case r.Type() == "":
		return fmt.Errorf("it needs a type, such as \"github\"")
	case !ok:
		return fmt.Errorf("the type %q must be one of %s", r.Type(), strings.Join(slices.Sorted(maps.Keys(need)), ", "))
	}
	for _, name := range names {
		if r.Text(name) == "" {
			return fmt.Errorf("the type %q needs %q, a string", r.Type(), name)
		}
	}
	return nil
}

// String returns the reference as a URL, from which Parse makes the same again as far as
// the type has parameters for it.
func (r Ref) String() string {
	params := map[string]string{}
	add := func(names ...string) {
		for _, name := range names {
			switch v := r[name].(type) {
			case string:
				params[name] = v
			case int64:
				params[name] = strconv.FormatInt(v, 10)
			case bool:
				if v {
					params[name] = "1"
				}
			}
		}
	}
	add("dir")
	at := ""
	if ref := r.Text("ref"); ref != "" {
		at = "/" + ref
	}
	var text string
	switch kind := r.Type(); kind {
	case "indirect":
		text = "flake:" + r.Text("id") + at
		if rev := r.Text("rev"); rev != "" {
			text += "/" + rev
		}
		add("narHash")
	case "path":
		text = "path:" + escape(r.Text("path"), "/")
		add("rev", "revCount", "lastModified", "narHash")
	case "github", "gitlab", "sourcehut":
		if rev := r.Text("rev"); rev != "" {
			at = "/" + rev
		}
		text = kind + ":" + escape(r.Text("owner"), "") + "/" + escape(r.Text("repo"), "") + at
		add("host", "narHash")
	case "git", "hg":
		address, query, _ := strings.Cut(r.Text("url"), "?")
		text = kind + "+" + address
		if strings.HasPrefix(address, "git:") {
			text = address
		}
		_ = addParams(params, query) // what Parse has made is well-formed
		add("ref", "rev", "narHash")
		add(switches...)
	case "tarball", "file":
		address, query, _ := strings.Cut(r.Text("url"), "?")
		text = address
		if kind == "file" || !isArchive(address) {
			text = kind + "+" + address
		}
		_ = addParams(params, query) // what Parse has made is well-formed
		add("narHash", "lastModified", "rev", "revCount")
	}
	return text + queryText(params)
}

// isArchive reports whether the name of a URL alone says that it is an archive.
func isArchive(address string) bool {
	for _, end := range []string{".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst"} {
		if strings.HasSuffix(address, end) {
			return true
		}
	}
	return false
}

func queryText(params map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, escape(name, "")+"="+escape(params[name], ":@/?"))
	}
	if len(pairs) == 0 {
		return ""
	}
	return "?" + strings.Join(pairs, "&")
}

// escape encodes all characters but letters, digits, -._~ and those of keep.
func escape(text, keep string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~"+keep, c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
