package catalog

import (
	"slices"
	"testing"
	"time"
)

func TestParsePause(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second, "1min 30s": 90 * time.Second,
		"10": 10 * time.Second, "0.5": 500 * time.Millisecond, "1.5h": 90 * time.Minute, "2d": 48 * time.Hour, "0": 0, "10 seconds": 10 * time.Second,
	} {
		if got, err := parsePause(text); err != nil || got != want {
			t.Errorf("parsePause(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-5s", "s", "5x", "1e99", "5s5", "1h-3m", "NaN", "inf", "5..s"} {
		if got, err := parsePause(text); err == nil {
			t.Errorf("parsePause(%q) = %v, want an error", text, got)
		}
	}
}

func TestParseBytes(t *testing.T) {
	for text, want := range map[string]int64{"1024": 1024, "8G": 8 << 30, "512m": 512 << 20, "1.5k": 1536, "8GiB": 8 << 30, "2 GB": 2 << 30, "1T": 1 << 40, "7b": 7} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("parseBytes(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "G", "-1", "0", "lots", "1e30"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("parseBytes(%q) = %v, want an error", text, got)
		}
	}
}

func TestNginxStatements(t *testing.T) {
	text := `
	# server { listen 1; }
	upstream u { server 127.0.0.1:1; }
	server { listen 8080; listen [::]:8081 ssl; location ~ "^/a{2}$" { return 200 "x;y{z}"; } set $a ${b}c; }
	gzip on;
	log_format f '{"a":"$b"}';
	server{listen 127.0.0.1:9;}}}
	server { listen *:10`
	var listens []string
	for _, s := range ngxStatements(text) {
		if s.words[0] == "listen" && slices.Equal(s.blocks, []string{"server"}) {
			listens = append(listens, s.words[1])
		}
	}
	if want := []string{"8080", "[::]:8081", "127.0.0.1:9"}; !slices.Equal(listens, want) {
		t.Errorf("listens on %q, want %q", listens, want)
	}
	top := topLevel(text)
	for _, want := range []string{"gzip", "log_format", "server", "upstream"} {
		if !top[want] {
			t.Errorf("no %q in %v", want, top)
		}
	}
	if top["return"] || top["set"] {
		t.Errorf("inner directives in %v", top)
	}
}

func TestNginxToken(t *testing.T) {
	for text, want := range map[string]string{
		`a\ b c`: `a\ b`, `a\`: `a\`, `a\;b;`: `a\;b`, `"a\"b" c`: `a"b`, `'a\`: `a\`, `"a`: "a", `${x}y`: "${x}y", "a{": "a",
	} {
		if got, end := ngxToken(text, 0); got != want || end < len(want) {
			t.Errorf("ngxToken(%q) = %q up to %d, want %q", text, got, end, want)
		}
	}
}

// An Erlang name has letters, digits, "_" and "-".
func TestNodeName(t *testing.T) {
	for instance, want := range map[string]string{"azAZ09_-": "azAZ09_-", "a.b c": "a_b_c", "`{@[/:é": "_______"} {
		if got := nodeName(instance); got != want {
			t.Errorf("nodeName(%q) = %q, want %q", instance, got, want)
		}
	}
}

func FuzzNginxStatements(f *testing.F) {
	for _, seed := range []string{"server { listen 80; }", `a "b\"c" 'd';`, "x ${y}z;", "}{;", "# c", `\`, `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range ngxStatements(text) { // it ends, and every statement has a name
			if len(s.words) == 0 {
				t.Errorf("%q holds a statement without words", text)
			}
		}
	})
}

func TestSplitHostPort(t *testing.T) {
	type parts struct {
		host string
		port int
	}
	for text, want := range map[string]parts{
		"127.0.0.1:80": {"127.0.0.1", 80}, " :80 ": {"*", 80}, "[::1]:1": {"::1", 1}, "80": {"*", 80}, "0.0.0.0:7": {"*", 7},
	} {
		if host, port, ok := splitHostPort(text); !ok || host != want.host || port != want.port {
			t.Errorf("splitHostPort(%q) = %q, %d, %v; want %v", text, host, port, ok, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "a:0", "a:-1", "a:b", "a", "::1:80"} {
		if host, port, ok := splitHostPort(text); ok {
			t.Errorf("splitHostPort(%q) = %q, %d, want none", text, host, port)
		}
	}
}
