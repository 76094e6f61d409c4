package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	reg "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"nix2gpu/image/registry"
	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

// A server is a registry in memory that writes down what it is asked.
type server struct {
	*httptest.Server
	host string

	mu       sync.Mutex
	requests []string
}

// divided gives each repository its own blobs: the registry in memory has one
// heap of them.
func divided(h http.Handler) http.Handler {
	var mu sync.Mutex
	has := map[string]bool{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repo, rest, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
		if !ok {
			h.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		q := r.URL.Query()
		switch {
		case r.Method == http.MethodHead && !has[repo+" "+rest]:
			w.WriteHeader(http.StatusNotFound)
			return
		case r.Method == http.MethodPost && has[q.Get("from")+" "+q.Get("mount")]:
			has[repo+" "+q.Get("mount")] = true
			w.WriteHeader(http.StatusCreated)
			return
		case r.Method == http.MethodPost:
			r.URL.RawQuery = "" // else it mounts what it has, from anywhere
		case r.Method == http.MethodPut:
			has[repo+" "+q.Get("digest")] = true
		}
		h.ServeHTTP(w, r)
	})
}

// serve starts a registry; middle may answer in its place.
func serve(t *testing.T, middle func(http.Handler) http.Handler) *server {
	t.Helper()
	s := &server{}
	var h http.Handler = reg.New(reg.Logger(log.New(io.Discard, "", 0)), reg.WithReferrersSupport(true))
	if middle != nil {
		h = middle(h)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Server.Close)
	s.host = strings.TrimPrefix(s.URL, "http://")
	return s
}

// asked are the requests since the last call that start with prefix.
func (s *server) asked(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, r := range s.requests {
		if strings.HasPrefix(r, prefix) {
			out = append(out, r)
		}
	}
	return out
}

func (s *server) forget() { s.mu.Lock(); defer s.mu.Unlock(); s.requests = nil }

// client is one whose pauses are short and whose environment is env.
func client(env map[string]string) *registry.Client {
	return registry.New(registry.Options{Backoff: time.Millisecond, Getenv: func(n string) string { return env[n] }})
}

func refs(t *testing.T, all ...string) (out []name.Reference) {
	t.Helper()
	for _, r := range all {
		ref, err := registry.ParseRef(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, ref)
	}
	return out
}

func web(t *testing.T, arch string) v1.Image {
	return testkit.Image(t, arch, v1.Config{User: "root"},
		testkit.Layer(t, map[string]string{"etc/arch": arch}),
		testkit.Layer(t, map[string]string{"bin/web": strings.Repeat("web ", 10_000)}))
}

// pulled is what another client finds at ref.
func pulled(t *testing.T, ref string) *remote.Descriptor {
	t.Helper()
	d, err := remote.Get(refs(t, ref)[0])
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func digest(t *testing.T, d interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := d.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPushAnImage(t *testing.T) {
	s, img := serve(t, nil), web(t, "amd64")
	layout, err := source.Open("layout", testkit.Layout(t, img))
	if err != nil {
		t.Fatal(err)
	}
	report, err := client(nil).Push(t.Context(), layout, refs(t, s.host+"/me/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := report.Pushed[0]; got.Digest != digest(t, img) || got.ByName != s.host+"/me/web@"+digest(t, img).String() {
		t.Errorf("pushed %+v, want digest %s", got, digest(t, img))
	}
	if report.Sent != 3 || report.There != 0 || report.Bytes == 0 {
		t.Errorf("report %+v, want two layers and a config sent", report)
	}
	got, err := pulled(t, s.host+"/me/web:v1").Image()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil || digest(t, got) != digest(t, img) {
		t.Errorf("pulled %s: %v, want %s", digest(t, got), err, digest(t, img))
	}
}

func TestPushAnIndex(t *testing.T) {
	s, idx := serve(t, nil), testkit.Index(t, web(t, "amd64"), web(t, "arm64"))
	report, err := client(nil).Push(t.Context(), source.FromIndex("x", idx), refs(t, s.host+"/me/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Sent != 5 { // the layer bin/web is one
		t.Errorf("%d blobs sent, want 5", report.Sent)
	}
	got, err := pulled(t, s.host+"/me/web:v1").ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(got); err != nil || digest(t, got) != digest(t, idx) {
		t.Errorf("pulled: %v", err)
	}
}

// Nothing changed: the registry is asked once whether it has the tag.
func TestPushAgainAsksOnce(t *testing.T) {
	s, idx := serve(t, nil), source.FromIndex("x", testkit.Index(t, web(t, "amd64"), web(t, "arm64")))
	target := refs(t, s.host+"/me/web:v1")
	if _, err := client(nil).Push(t.Context(), idx, target); err != nil {
		t.Fatal(err)
	}
	s.forget()
	report, err := client(nil).Push(t.Context(), idx, target)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.asked(""); strings.Join(got, "\n") != "GET /v2/\nHEAD /v2/me/web/manifests/v1" {
		t.Errorf("asked:\n%s\nwant a greeting and one HEAD", strings.Join(got, "\n"))
	}
	if report.Sent != 0 || report.Bytes != 0 {
		t.Errorf("report %+v, want nothing sent", report)
	}
}

// One layer changed: the others are asked for and left where they are.
func TestPushSendsWhatIsNew(t *testing.T) {
	s, img := serve(t, nil), web(t, "amd64")
	target := refs(t, s.host+"/me/web:v1")
	if _, err := client(nil).Push(t.Context(), source.FromImage("x", img), target); err != nil {
		t.Fatal(err)
	}
	more, err := mutate.AppendLayers(img, testkit.Layer(t, map[string]string{"new": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	report, err := client(nil).Push(t.Context(), source.FromImage("x", more), target)
	if err != nil {
		t.Fatal(err)
	}
	if report.There != 2 || report.Sent != 2 || report.Bytes > 4<<10 {
		t.Errorf("report %+v, want two layers left, one and the config sent", report)
	}
}

func TestSeveralTagsAndRepositories(t *testing.T) {
	s, other := serve(t, divided), serve(t, divided)
	idx := testkit.Index(t, web(t, "amd64"), web(t, "arm64"))
	report, err := client(nil).Push(t.Context(), source.FromIndex("x", idx),
		refs(t, s.host+"/me/web:v1", s.host+"/me/web:latest", s.host+"/you/web:v1", other.host+"/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Pushed {
		if got := pulled(t, p.Ref).Digest; got != digest(t, idx) {
			t.Errorf("%s is %s, want %s", p.Ref, got, digest(t, idx))
		}
	}
	if report.Mounted != 5 {
		t.Errorf("%d blobs mounted, want all 5 of the second repository", report.Mounted)
	}
	if got := s.asked("PATCH /v2/you/"); len(got) != 0 {
		t.Errorf("sent again to a registry that has it: %v", got)
	}
	if got := s.asked("PATCH"); len(got) != 5 {
		t.Errorf("%d uploads, want 5: %v", len(got), got)
	}
}

func TestArtifactsFollow(t *testing.T) {
	s, img := serve(t, nil), web(t, "amd64")
	artifact := note(t, img)
	from := source.FromImage("x", img, artifact)
	if _, err := client(nil).Push(t.Context(), from, refs(t, s.host+"/me/web:v1")); err != nil {
		t.Fatal(err)
	}
	d, err := name.NewDigest(s.host + "/me/web@" + digest(t, img).String())
	if err != nil {
		t.Fatal(err)
	}
	found, err := remote.Referrers(d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := found.IndexManifest()
	if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Digest != digest(t, artifact) {
		t.Errorf("referrers %+v, %v, want the artifact", m, err)
	}
	s.forget()
	if _, err := client(nil).Push(t.Context(), from, refs(t, s.host+"/me/web:v1")); err != nil {
		t.Fatal(err)
	}
	if got := s.asked(""); len(got) != 3 || len(s.asked("HEAD")) != 2 {
		t.Errorf("pushed again it asked %v, want a greeting and two HEADs", got)
	}
}

// A registry that knows nothing of artifacts has the image all the same.
func TestArtifactsAreRefused(t *testing.T) {
	byDigest := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/sha256:")
	}
	s, img := serve(t, refuse(byDigest, 400, "MANIFEST_INVALID", "unknown media type")), web(t, "amd64")
	from := source.FromImage("x", img, note(t, img))
	report, err := client(nil).Push(t.Context(), from, refs(t, s.host+"/me/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Refused) != 1 || report.Refused[0] != s.host+"/me/web" || pulled(t, s.host+"/me/web:v1").Digest != digest(t, img) {
		t.Errorf("report %+v, want the image there and its artifact refused", report)
	}
}

// note is an artifact that refers to an image.
func note(t *testing.T, img v1.Image) v1.Image {
	t.Helper()
	subject, err := partial.Descriptor(img)
	if err != nil {
		t.Fatal(err)
	}
	return mutate.Subject(testkit.Image(t, "amd64", v1.Config{}), *subject).(v1.Image)
}

// The layers of a base are not in the layout: the registry takes them from the
// repository of the base, or they go through us.
func TestBaseIsMountedOrCarried(t *testing.T) {
	s, far := serve(t, divided), serve(t, divided)
	base := testkit.Image(t, "amd64", v1.Config{}, testkit.Layer(t, map[string]string{"usr/lib/cuda": strings.Repeat("cuda ", 50_000)}))
	if _, err := client(nil).Push(t.Context(), source.FromImage("base", base), refs(t, s.host+"/nvidia/cuda:12")); err != nil {
		t.Fatal(err)
	}
	img, err := mutate.AppendLayers(base, testkit.Layer(t, map[string]string{"mine": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	img = mutate.Annotations(img, map[string]string{"org.opencontainers.image.base.name": s.host + "/nvidia/cuda:12"}).(v1.Image)
	dir := testkit.Layout(t, img)
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "blobs", "sha256", m.Layers[0].Digest.Hex)); err != nil {
		t.Fatal(err)
	}
	layout, err := source.Open("layout", dir)
	if err != nil {
		t.Fatal(err)
	}
	report, err := client(nil).Push(t.Context(), layout, refs(t, s.host+"/me/web:v1", far.host+"/me/web:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Mounted != 1 {
		t.Errorf("%d blobs mounted, want that of the base", report.Mounted)
	}
	if got := s.asked("PATCH /v2/me/"); len(got) != 2 {
		t.Errorf("uploads %v, want our layer and the config", got)
	}
	for _, p := range report.Pushed {
		got, err := pulled(t, p.Ref).Image()
		if err != nil {
			t.Fatal(err)
		}
		if err := validate.Image(got); err != nil {
			t.Errorf("%s: %v", p.Ref, err)
		}
	}
}

// A turn counts what happens to each key.
type turn struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *turn) next(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[key]++
	return c.n[key]
}

// everySecond answers each request with a failure, and its repetition well.
func everySecond(status int) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		var seen turn
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if seen.next(r.Method+r.URL.RequestURI())%2 == 1 {
				io.Copy(io.Discard, r.Body)
				http.Error(w, "not now", status)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}

// cutOff ends each connection in the middle of the request, but for its repetition.
func cutOff(h http.Handler) http.Handler {
	var seen turn
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.next(r.Method+r.URL.RequestURI())%2 == 1 {
			io.CopyN(io.Discard, r.Body, 100)
			panic(http.ErrAbortHandler)
		}
		h.ServeHTTP(w, r)
	})
}

// loseAnswers does what is asked, and says that it failed, three times of each
// method: what is repeated was done already.
func loseAnswers(h http.Handler) http.Handler {
	var seen turn
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.next(r.Method) > 3 {
			h.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		http.Error(w, "the answer was lost", http.StatusBadGateway)
	})
}

func TestARegistryThatFailsEverySecondRequest(t *testing.T) {
	for what, middle := range map[string]func(http.Handler) http.Handler{
		"500": everySecond(500), "503": everySecond(503), "429": everySecond(429), "lost answers": loseAnswers, "cut off": cutOff,
	} {
		t.Run(what, func(t *testing.T) {
			s, idx := serve(t, middle), testkit.Index(t, web(t, "amd64"), web(t, "arm64"))
			var mu sync.Mutex
			retried := 0
			c := registry.New(registry.Options{Backoff: time.Millisecond, Retrying: func(string, string, time.Duration) {
				mu.Lock()
				retried++
				mu.Unlock()
			}})
			if _, err := c.Push(t.Context(), source.FromIndex("x", idx), refs(t, s.host+"/me/web:v1")); err != nil {
				t.Fatal(err)
			}
			if retried == 0 {
				t.Error("nothing was retried: the registry did not fail")
			}
			back, err := c.Open(t.Context(), s.host+"/me/web:v1")
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Index(back.Index); err != nil || digest(t, back) != digest(t, idx) {
				t.Errorf("arrived: %v", err)
			}
		})
	}
}

// basic wants a name and a password.
func basic(user, password string) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u, p, ok := r.BasicAuth()
			if !ok || u != user || p != password {
				w.Header().Set("WWW-Authenticate", `Basic realm="r"`)
				w.WriteHeader(http.StatusUnauthorized)
				io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}

func write(t *testing.T, file, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestCredentials(t *testing.T) {
	s := serve(t, basic("me", "s3cret"))
	auth := base64.StdEncoding.EncodeToString([]byte("me:s3cret"))
	entry := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, s.host, auth)
	for what, prepare := range map[string]func(t *testing.T, dir string) map[string]string{
		"docker": func(t *testing.T, dir string) map[string]string {
			write(t, filepath.Join(dir, ".docker/config.json"), entry, 0o600)
			return map[string]string{"HOME": dir}
		},
		"DOCKER_CONFIG": func(t *testing.T, dir string) map[string]string {
			write(t, filepath.Join(dir, "c/config.json"), entry, 0o600)
			return map[string]string{"DOCKER_CONFIG": filepath.Join(dir, "c")}
		},
		"podman, with a file of docker's that knows another registry": func(t *testing.T, dir string) map[string]string {
			write(t, filepath.Join(dir, ".docker/config.json"), `{"auths":{"example.org":{"auth":"eDp5"}}}`, 0o600)
			write(t, filepath.Join(dir, "run/containers/auth.json"), entry, 0o600)
			return map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run")}
		},
		"a part of a registry": func(t *testing.T, dir string) map[string]string {
			write(t, filepath.Join(dir, "auth.json"), fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, s.host+"/me", auth), 0o600)
			return map[string]string{"REGISTRY_AUTH_FILE": filepath.Join(dir, "auth.json")}
		},
		"a helper": func(t *testing.T, dir string) map[string]string {
			write(t, filepath.Join(dir, ".docker/config.json"), fmt.Sprintf(`{"credHelpers":{%q:"ours"}}`, s.host), 0o600)
			write(t, filepath.Join(dir, "bin/docker-credential-ours"),
				"#!/bin/sh\nread host\n[ \"$host\" = "+s.host+" ] || exit 1\necho '{\"Username\":\"me\",\"Secret\":\"s3cret\"}'\n", 0o755)
			t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
			return map[string]string{"HOME": dir}
		},
	} {
		t.Run(what, func(t *testing.T) {
			env := prepare(t, t.TempDir())
			if _, err := client(env).Push(t.Context(), source.FromImage("x", web(t, "amd64")), refs(t, s.host+"/me/web:v1")); err != nil {
				t.Error(err)
			}
		})
	}
}

// Credentials are for the registry that they were given for.
func TestCredentialsStayWithTheirRegistry(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	s := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			sent = append(sent, r.Header.Get("Authorization"))
			mu.Unlock()
			h.ServeHTTP(w, r)
		})
	})
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".docker/config.json"), `{"auths":{"ghcr.io":{"auth":"eDp5"}}}`, 0o600)
	env := map[string]string{"HOME": dir, "GITHUB_TOKEN": "ghp_secret"}
	if _, err := client(env).Push(t.Context(), source.FromImage("x", web(t, "amd64")), refs(t, s.host+"/me/web:v1")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(sent, ""); got != "" {
		t.Errorf("sent %q to a registry that nobody logged in to", got)
	}
}

func TestLayersAreReadOnceEach(t *testing.T) {
	s, img := serve(t, nil), web(t, "amd64")
	var out bytes.Buffer
	var mu sync.Mutex
	c := registry.New(registry.Options{Progress: func(done, total int64) {
		mu.Lock()
		fmt.Fprintln(&out, done, total)
		mu.Unlock()
	}})
	if _, err := c.Push(t.Context(), source.FromImage("x", img), refs(t, s.host+"/me/web:v1")); err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(out.String())
	if len(lines) < 2 || lines[len(lines)-1] != lines[len(lines)-2] {
		t.Errorf("progress ended at %v, want all of it done", lines)
	}
}

// A push that is cancelled ends at once, in whatever it was: also while it waits
// for a registry that is busy.
func TestCancel(t *testing.T) {
	for what, middle := range map[string]func(stop func()) func(http.Handler) http.Handler{
		"in an upload": func(stop func()) func(http.Handler) http.Handler {
			return func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPatch {
						io.Copy(io.Discard, r.Body) // only then is it noticed that nobody waits any more
						stop()
						<-r.Context().Done()
						return
					}
					h.ServeHTTP(w, r)
				})
			}
		},
		"between two attempts": func(stop func()) func(http.Handler) http.Handler {
			return func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Retry-After", "3600")
					w.WriteHeader(http.StatusServiceUnavailable)
					time.AfterFunc(10*time.Millisecond, stop)
				})
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := serve(t, middle(cancel))
			_, err := client(nil).Push(ctx, source.FromImage("x", web(t, "amd64")), refs(t, s.host+"/me/web:v1"))
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Push = %v, want context.Canceled", err)
			}
		})
	}
}

// A registry that says how long to wait is left alone for so long.
func TestRetryAfter(t *testing.T) {
	var mu sync.Mutex
	var waits []time.Duration
	first := true
	s := serve(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			busy := first
			first = false
			mu.Unlock()
			if busy {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	c := registry.New(registry.Options{Backoff: time.Millisecond, Retrying: func(_, why string, wait time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, wait)
		if why != "429 Too Many Requests" {
			t.Errorf("why: %q", why)
		}
	}})
	if _, err := c.Push(t.Context(), source.FromImage("x", web(t, "amd64")), refs(t, s.host+"/me/web:v1")); err != nil {
		t.Fatal(err)
	}
	if len(waits) != 1 || waits[0] != time.Second {
		t.Errorf("waited %v, want one second, once", waits)
	}
}
