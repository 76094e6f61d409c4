package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AptConfig is what apt's configuration says of how to download.
type AptConfig struct {
	options map[string]aptOption // by name in lower case: "acquire::http::proxy"
	direct  string               // $no_proxy
}

// An aptOption is a value in apt's configuration and its position.
type aptOption struct{ value, place string }

// ReadAptConfig reads apt's configuration below root, and variables with getenv. The error
// has the file and line of what can't be read.
func ReadAptConfig(root string, getenv func(string) string) (*AptConfig, error) {
	p := &AptConfig{map[string]aptOption{}, getenv("no_proxy")}
	var files []string
	entries, err := os.ReadDir(filepath.Join(root, "etc/apt/apt.conf.d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot read apt's configuration: %w", err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext == "" || ext == ".conf" { // apt ignores other files
			files = append(files, "/etc/apt/apt.conf.d/"+e.Name())
		}
	}
	for _, name := range append(files, "/etc/apt/apt.conf") { // later files take precedence
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = p.read(name, string(data))
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read apt's configuration: %w", err)
		}
	}
	return p, nil
}

// Proxy returns the proxy for a request, or nil for none, by apt's rules: an option for
// the host takes precedence over one for all hosts, one for https over one for http,
// and options over the environment. There is none for this machine itself.
func (p *AptConfig) Proxy(r *http.Request) (*url.URL, error) {
	host := r.URL.Hostname()
	if host == "localhost" || net.ParseIP(host).IsLoopback() {
		return nil, nil
	}
	schemes := []string{r.URL.Scheme, "http"}
	for _, rest := range []string{"::proxy::" + strings.ToLower(host), "::proxy"} {
		for _, scheme := range schemes {
			if o := p.options["acquire::"+scheme+rest]; o.value != "" {
				if o.value == "DIRECT" || endsInOneOf(host, p.direct) {
					return nil, nil
				}
				return o.proxy()
			}
		}
	}
	return http.ProxyFromEnvironment(r)
}

// Patience sets what opts leaves open of how long to wait and how often to try again, by
// Acquire::http::Timeout (for https by its own option first) and Acquire::Retries.
func (p *AptConfig) Patience(opts *Options) error {
	for _, name := range []string{"acquire::https::timeout", "acquire::http::timeout"} {
		o := p.options[name]
		if o.value == "" {
			continue
		}
		n, err := o.number()
		if err != nil {
			return err
		}
		http := !slices.ContainsFunc(opts.Archives, func(a Archive) bool { return strings.HasPrefix(a.URL, "https:") })
		if opts.Stall == 0 && !(http && strings.HasPrefix(name, "acquire::https")) {
			opts.Stall = time.Duration(n) * time.Second
		}
	}
	if o := p.options["acquire::retries"]; o.value != "" {
		n, err := o.number()
		if err != nil {
			return err
		}
		if opts.Retries == nil {
			opts.Retries = &n
		}
	}
	return nil
}

// number parses a number in an option.
func (o aptOption) number() (int, error) {
	n, err := strconv.Atoi(o.value)
	if err != nil || n < 0 || n > 1e6 {
		return 0, fmt.Errorf("%s: apt's option must be a whole number such as 30, not %q", o.place, o.value)
	}
	return n, nil
}

// proxy parses the URL in an option. Errors don't show it, because it may hold a
// password.
func (o aptOption) proxy() (*url.URL, error) {
	u, err := url.Parse(o.value)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("%s: apt's proxy must be a URL such as \"http://proxy.example.org:3142\"", o.place)
	case !slices.Contains([]string{"http", "https", "socks5h"}, u.Scheme):
		return nil, fmt.Errorf("%s: not supported: a proxy by %q", o.place, u.Scheme)
	}
	return u, nil
}

// endsInOneOf reports whether host ends in one of the names in list, apt's reading of
// $no_proxy.
func endsInOneOf(host, list string) bool {
	for name := range strings.SplitSeq(list, ",") {
		if name != "" && strings.HasSuffix(strings.ToLower(host), strings.ToLower(name)) {
			return true
		}
	}
	return false
}

// read parses a file of apt's configuration.
func (p *AptConfig) read(file, text string) error {
	var scopes []string // the enclosing names
	var words []string  // of the present statement
	line, began := 1, 1
	bad := func(at int, what string) error { return fmt.Errorf("%s:%d: %s", file, at, what) }
	name := func() string { return strings.ToLower(strings.Join(append(slices.Clone(scopes), words[0]), "::")) }
	for i := 0; i < len(text); i++ {
		rest := text[i:]
		switch c := text[i]; {
		case c == '\n':
			line++
		case c == ' ' || c == '\t' || c == '\r':
		case strings.HasPrefix(rest, "//") || c == '#' && !strings.HasPrefix(rest, "#clear") && !strings.HasPrefix(rest, "#include"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				i += end - 1
			} else {
				i = len(text)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 0 {
				return bad(line, "a remark has no end: \"*/\" is missing")
			}
			line += strings.Count(rest[:end], "\n")
			i += end + 1
		case c == '"':
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				return bad(line, "a text has no end: a '\"' is missing")
			}
			if len(words) == 0 {
				began = line
			}
			words = append(words, rest[1:1+end])
			line += strings.Count(rest[:1+end], "\n")
			i += end + 1
		case c == '{':
			if len(words) == 0 {
				words = []string{""}
			}
			if scopes = append(scopes, words[0]); len(scopes) > 100 {
				return bad(line, "more than 100 scopes in each other")
			}
			if len(words) > 1 { // in apt, a scope may have a value of its own
				p.set(strings.Join(scopes, "::"), words[1], fmt.Sprintf("%s:%d", file, began))
			}
			words = nil
		case c == '}':
			if len(scopes) == 0 {
				return bad(line, "a \"}\" closes nothing")
			}
			scopes, words = scopes[:len(scopes)-1], nil
		case c == ';':
			switch {
			case len(words) > 1 && words[0] == "#clear":
				for _, cleared := range words[1:] {
					p.clear(cleared)
				}
			case len(words) > 0 && words[0] == "#include":
				return bad(began, "not supported: #include")
			case len(words) > 1:
				p.set(name(), words[1], fmt.Sprintf("%s:%d", file, began))
			}
			words = nil
		default:
			end := strings.IndexAny(rest, " \t\r\n;{}\"")
			if end < 0 {
				end = len(rest)
			}
			if remark := strings.Index(rest[:end], "//"); remark > 0 {
				end = remark
			}
			if len(words) == 0 {
				began = line
			}
			words = append(words, rest[:end])
			i += end - 1
		}
	}
	if len(scopes) > 0 {
		return bad(line, fmt.Sprintf("the scope %q has no end: a \"}\" is missing", scopes[len(scopes)-1]))
	}
	return nil
}

func (p *AptConfig) set(name, value, place string) {
	p.options[strings.ToLower(name)] = aptOption{value, place}
}

// clear removes an option and all below it.
func (p *AptConfig) clear(name string) {
	name = strings.ToLower(name)
	for have := range p.options {
		if have == name || strings.HasPrefix(have, name+"::") {
			delete(p.options, have)
		}
	}
}
