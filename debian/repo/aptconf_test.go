package repo_test

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/debian/repo"
)

// configured reads a machine whose apt has these files.
func configured(t testing.TB, noProxy string, files map[string]string) (*repo.AptConfig, error) {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, "etc/apt", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return repo.ReadAptConfig(root, func(name string) string { return map[string]string{"no_proxy": noProxy}[name] })
}

// conf has each form that apt's configuration has.
const conf = `// a remark
Acquire::http::Proxy "http://a.example:1"; # another
Acquire { HTTP { Proxy { "deb.example.org" "DIRECT"; other.example "http://me:secret@o.example:2/"; }; Timeout "3"; }; };
/* Acquire::http::Proxy "http://not.example";
 */ Acquire::https::Proxy "socks5h://s.example:3";
APT::Foo { "a"; "b//c"; };
DPkg::Post-Invoke {"x; y { }"; };
Acquire::http::Proxy::cleared.example "http://c";
#clear Acquire::http::Proxy::cleared.example;
Acquire::http::Proxy::split.example
  "DIRECT";
Acquire::ftp "v" { Proxy "x"; };
Acquire::Retries 3;
`

// What apt-config reads is what is read here.
func TestAptConfIsApts(t *testing.T) {
	p, err := configured(t, "", map[string]string{"apt.conf": conf})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"acquire::http::proxy": "http://a.example:1", "acquire::http::proxy::deb.example.org": "DIRECT", "acquire::http::timeout": "3", "acquire::http::proxy::cleared.example": "",
		"acquire::https::proxy": "socks5h://s.example:3", "acquire::http::proxy::split.example": "DIRECT", "acquire::ftp": "v", "acquire::ftp::proxy": "x", "acquire::retries": "3",
	} {
		if got := p.Option(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if _, err := exec.LookPath("apt-config"); err != nil {
		t.Skip("apt is not installed: apt-get install apt")
	}
	file := filepath.Join(t.TempDir(), "apt.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "apt-config", "dump")
	// Nothing else of this machine is to be in it.
	cmd.Env = append(os.Environ(), "APT_CONFIG="+file)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("apt-config: %v\n%s", err, out)
	}
	theirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		theirs[strings.ToLower(name)] = strings.TrimSuffix(strings.Trim(value, `"`), `";`)
	}
	compared := 0
	for _, name := range p.Names() {
		if strings.HasPrefix(name, "acquire::") {
			compared++
			if got := theirs[name]; got != p.Option(name) {
				t.Errorf("%s is %q, and %q by apt-config", name, p.Option(name), got)
			}
		}
	}
	if compared < 8 {
		t.Errorf("%d options compared", compared)
	}
}

// The proxy of a host is the one that apt would take.
func TestProxies(t *testing.T) {
	const general = `Acquire::http::Proxy "http://a.example:1";`
	for name, one := range map[string]struct {
		files   map[string]string
		noProxy string
		url     string
		want    string // "" for none, else its URL, or a part of the error
	}{
		"all of http":                     {files: map[string]string{"apt.conf": general}, url: "http://deb.example.org/debian", want: "http://a.example:1"},
		"https, by what http has":         {files: map[string]string{"apt.conf": general}, url: "https://deb.example.org/debian", want: "http://a.example:1"},
		"https of its own":                {files: map[string]string{"apt.conf": conf}, url: "https://x.example/", want: "socks5h://s.example:3"},
		"a host that needs none":          {files: map[string]string{"apt.conf": conf}, url: "http://DEB.example.org:80/", want: ""},
		"a host with another":             {files: map[string]string{"apt.conf": conf}, url: "https://other.example/", want: "http://me:secret@o.example:2/"},
		"this machine":                    {files: map[string]string{"apt.conf": general}, url: "http://127.0.0.1:1/", want: ""},
		"this machine by name":            {files: map[string]string{"apt.conf": general}, url: "http://localhost/", want: ""},
		"no_proxy":                        {files: map[string]string{"apt.conf": general}, noProxy: "x,.Example.org", url: "http://deb.example.org/", want: ""},
		"no_proxy of others":              {files: map[string]string{"apt.conf": general}, noProxy: "x,.example.net", url: "http://deb.example.org/", want: "http://a.example:1"},
		"files in order":                  {files: map[string]string{"apt.conf.d/10a": `Acquire::http::Proxy "http://b";`, "apt.conf.d/20b.conf": `Acquire::http::Proxy "http://c";`, "apt.conf.d/30c.bak": `Acquire::http::Proxy "http://d";`}, url: "http://x/", want: "http://c"},
		"the file comes last":             {files: map[string]string{"apt.conf.d/10a": `Acquire::http::Proxy "http://b";`, "apt.conf": general}, url: "http://x/", want: "http://a.example:1"},
		"nothing":                         {url: "http://localhost/", want: ""},
		"no URL":                          {files: map[string]string{"apt.conf.d/proxy": "\n\nAcquire::http::Proxy \"a.example:1\";"}, url: "http://x/", want: `/etc/apt/apt.conf.d/proxy:3: apt's proxy must be a URL such as "http://proxy.example.org:3142"`},
		"of another kind":                 {files: map[string]string{"apt.conf": `Acquire::http::Proxy "ftp://me:secret@a";`}, url: "http://x/", want: `/etc/apt/apt.conf:1: not supported: a proxy by "ftp"`},
		"a text without an end":           {files: map[string]string{"apt.conf": "\nA \"x;\n"}, want: `/etc/apt/apt.conf:2: a text has no end: a '"' is missing`},
		"a scope without an end":          {files: map[string]string{"apt.conf": "A { B {\"x\"; };\n"}, want: `/etc/apt/apt.conf:2: the scope "A" has no end: a "}" is missing`},
		"an end without a scope":          {files: map[string]string{"apt.conf": "A \"x\";\n};\n"}, want: `/etc/apt/apt.conf:2: a "}" closes nothing`},
		"a remark without an end":         {files: map[string]string{"apt.conf": "/* x"}, want: `/etc/apt/apt.conf:1: a remark has no end: "*/" is missing`},
		"another file that is to be read": {files: map[string]string{"apt.conf": `#include "/etc/x";`}, want: "/etc/apt/apt.conf:1: not supported: #include"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := configured(t, one.noProxy, one.files)
			if err == nil {
				var r *http.Request
				if r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, one.url, nil); err != nil {
					t.Fatal(err)
				}
				u, failed := p.Proxy(r)
				if err = failed; err == nil {
					got := ""
					if u != nil {
						got = u.String()
					}
					if got != one.want {
						t.Errorf("proxy %q, want %q", got, one.want)
					}
					return
				}
			}
			wantError(t, err, one.want)
			if strings.Contains(err.Error(), "secret") || one.want == "" {
				t.Errorf("error %v", err)
			}
		})
	}
}

func FuzzAptConf(f *testing.F) {
	f.Add(conf)
	f.Add(`A { B "x"; }`)
	f.Add(`"`)
	f.Add(`x//`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := configured(t, "", map[string]string{"apt.conf": text})
		if err != nil {
			return
		}
		for _, name := range p.Names() {
			if name != strings.ToLower(name) {
				t.Errorf("name %q", name)
			}
		}
	})
}

// apt's patience is ours where nothing else was asked for.
func TestPatience(t *testing.T) {
	plain, tls := []repo.Archive{{URL: "http://a.example"}}, []repo.Archive{{URL: "http://a.example"}, {URL: "https://b.example"}}
	two := 2
	for _, tt := range []struct {
		conf    string
		opts    repo.Options
		stall   time.Duration
		retries int // -1: not set
		err     string
	}{
		{"", repo.Options{Archives: plain}, 0, -1, ""},
		{`Acquire::http::Timeout "7"; Acquire::Retries 5;`, repo.Options{Archives: plain}, 7 * time.Second, 5, ""},
		{`Acquire { http { Timeout "7"; }; https::Timeout "9"; Retries "0"; };`, repo.Options{Archives: plain}, 7 * time.Second, 0, ""},
		{`Acquire { http { Timeout "7"; }; https::Timeout "9"; };`, repo.Options{Archives: tls}, 9 * time.Second, -1, ""},
		{`Acquire::http::Timeout "7";`, repo.Options{Archives: tls}, 7 * time.Second, -1, ""},
		{`Acquire::http::Timeout "7"; Acquire::Retries 5;`, repo.Options{Archives: plain, Stall: time.Second, Retries: &two}, time.Second, 2, ""},
		{`Acquire::http::Timeout "soon";`, repo.Options{Archives: plain}, 0, -1, `/etc/apt/apt.conf:1: apt's option must be a whole number such as 30, not "soon"`},
		{"\nAcquire::Retries -1;", repo.Options{Archives: plain}, 0, -1, `/etc/apt/apt.conf:2: apt's option must be a whole number such as 30, not "-1"`},
	} {
		p, err := configured(t, "", map[string]string{"apt.conf": tt.conf})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Patience(&tt.opts); fmt.Sprint(err) != cmp.Or(tt.err, "<nil>") {
			t.Errorf("%s: %v, want %s", tt.conf, err, tt.err)
		}
		retries := -1
		if tt.opts.Retries != nil {
			retries = *tt.opts.Retries
		}
		if tt.err == "" && (tt.opts.Stall != tt.stall || retries != tt.retries) {
			t.Errorf("%s: gives up after %v and %d more tries, want %v and %d", tt.conf, tt.opts.Stall, retries, tt.stall, tt.retries)
		}
	}
}
