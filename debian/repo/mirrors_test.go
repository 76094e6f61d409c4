package repo_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"nix2gpu/internal/debtest"
)

// What one mirror does not have, or has no more, another may: for the index and for
// packages. What is wrong with each is said when none will do.
func TestFurtherMirrors(t *testing.T) {
	for name, test := range map[string]struct {
		first func(s *stand) // what is at the first mirror
		want  string         // a part of the error when the second has nothing
	}{
		"nothing": {func(s *stand) { s.server.Set(nil) }, "InRelease: the server answers 404"},
		"busy": {func(s *stand) {
			s.server.Spoil(func(w http.ResponseWriter, r *http.Request, _ []byte) bool { w.WriteHeader(503); return true })
		}, "the server answers 503"},
		"not signed": {func(s *stand) { s.suite.Keys = nil; s.server.Set(s.suite.Tree(s.t)) }, "it is not signed"},
		"an old index": {func(s *stand) {
			s.mustLock("app")
			old := s.suite
			old.Date = now().AddDate(0, -2, 0)
			s.server.Set(old.Tree(s.t))
		}, "older than that of"},
		"an index without what it names": {func(s *stand) {
			tree := s.suite.Tree(s.t)
			s.server.Set(debtest.Tree{"dists/bookworm/InRelease": tree["dists/bookworm/InRelease"]})
		}, "the server answers 404"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			good := debtest.Serve(t, s.suite.Tree(t))
			s.opts.Archives[0].Mirrors = []string{good.URL}
			test.first(s)
			packages, err := s.lock("app")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.read(packages[0]); err != nil {
				t.Error(err)
			}
			good.Set(nil)
			if name != "an old index" { // else what is there suffices
				s.opts.Cache = t.TempDir()
			}
			_, err = s.lock("app")
			wantError(t, err, test.want, "at "+s.server.URL, "at "+good.URL)
		})
	}
	// Offline it is said once.
	s := newStand(t)
	s.opts.Archives[0].Mirrors, s.opts.Offline = []string{"http://127.0.0.1:1"}, true
	_, err := s.lock("app")
	wantError(t, err, "the index is not in the cache")
	if strings.Count(err.Error(), "in the cache") != 1 {
		t.Error(err)
	}
}

// Archives are reached by apt's proxy; files of others, whom apt does not know, are
// not.
func TestArchivesByProxy(t *testing.T) {
	s := newStand(t)
	tree := s.suite.Tree(t)
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Host)
		data, ok := tree[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(data)
	}))
	t.Cleanup(proxy.Close)
	s.opts.Archives[0].URL = "http://mirror.example"
	s.opts.Proxy = func(r *http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	packages := s.mustLock("app")
	if _, err := s.read(packages[0]); err != nil {
		t.Error(err)
	}
	if len(asked) < 3 || asked[0] != "mirror.example" {
		t.Errorf("the proxy was asked for %q", asked)
	}
	asked = nil
	files := debtest.Serve(t, debtest.Tree{"x.tgz": []byte("x")})
	if _, err := s.client().Learn(t.Context(), files.URL+"/x.tgz", ""); err != nil || len(asked) > 0 {
		t.Errorf("a vendor's file: %v, the proxy was asked for %q", err, asked)
	}
	broken, err := configured(t, "", map[string]string{"apt.conf": `Acquire::http::Proxy "x";`})
	if err != nil {
		t.Fatal(err)
	}
	s.opts.Proxy = broken.Proxy
	s.opts.Cache = t.TempDir()
	_, err = s.lock("app")
	wantError(t, err, "/etc/apt/apt.conf:1: apt's proxy must be a URL")
}
