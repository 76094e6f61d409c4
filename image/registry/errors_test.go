package registry_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nix2gpu/image/registry"
	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

// refuse answers whatever a filter picks with a status and an error as registries
// write it.
func refuse(picks func(*http.Request) bool, status int, code, message string) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !picks(r) {
				h.ServeHTTP(w, r)
				return
			}
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
		})
	}
}

func everything(*http.Request) bool { return true }

func manifests(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}

func uploads(r *http.Request) bool { return r.Method == http.MethodPost }

// TestRefusals wants each thing that goes wrong told with its cure: the golden
// file is what a user reads.
func TestRefusals(t *testing.T) {
	login := func(t *testing.T, host string) map[string]string {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".docker/config.json"), `{"auths":{"`+host+`":{"auth":"bWU6d3Jvbmc="}}}`, 0o600)
		return map[string]string{"HOME": dir}
	}
	withConfig := func(content string) func(*testing.T, string) map[string]string {
		return func(t *testing.T, host string) map[string]string {
			dir := t.TempDir()
			write(t, filepath.Join(dir, ".docker/config.json"), strings.ReplaceAll(content, "HOST", host), 0o600)
			return map[string]string{"HOME": dir}
		}
	}
	var out strings.Builder
	for _, c := range []struct {
		what   string
		middle func(http.Handler) http.Handler
		env    func(*testing.T, string) map[string]string
	}{
		{"401 without credentials", basic("me", "s3cret"), nil},
		{"401 with wrong credentials", basic("me", "s3cret"), login},
		{"403 without credentials", refuse(uploads, 403, "DENIED", "requested access to the resource is denied"), nil},
		{"403 with credentials", refuse(uploads, 403, "DENIED", "requested access to the resource is denied"), login},
		{"429", refuse(everything, 429, "TOOMANYREQUESTS", "rate limit exceeded"), nil},
		{"500", refuse(everything, 500, "UNKNOWN", "disk quota exceeded"), nil},
		{"503 on the manifest", refuse(manifests, 503, "UNAVAILABLE", "service unavailable"), nil},
		{"404 on upload", refuse(uploads, 404, "NAME_UNKNOWN", "repository name not known to registry"), nil},
		{"413", refuse(func(r *http.Request) bool { return r.Method == http.MethodPatch }, 413, "", ""), nil},
		{"an old registry", refuse(manifests, 400, "MANIFEST_INVALID", "manifest invalid"), nil},
		{"a helper that is not installed", nil, withConfig(`{"credHelpers":{"HOST":"nobody-has-this"}}`)},
		{"a configuration that is not JSON", nil, withConfig(`{"auths":`)},
	} {
		s := serve(t, c.middle)
		env := map[string]string{}
		if c.env != nil {
			env = c.env(t, s.host)
		}
		_, err := client(env).Push(t.Context(), source.FromImage("x", web(t, "amd64")), refs(t, s.host+"/me/web:v1"))
		out.WriteString(told(t, c.what, err, s.host, env["HOME"]))
	}
	testkit.Golden(t, "testdata/refusals.golden", []byte(out.String()))
}

// told is an error as a user sees it, with what differs from run to run replaced.
func told(t *testing.T, what string, err error, host, home string) string {
	t.Helper()
	var e *registry.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: %v, want a *registry.Error", what, err)
		return ""
	}
	text := "--- " + what + "\n" + e.Msg + "\n"
	if e.Hint != "" {
		text += "hint: " + e.Hint + "\n"
	}
	text = strings.ReplaceAll(text, host, "HOST")
	if home != "" {
		text = strings.ReplaceAll(text, home, "HOME")
	}
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "HOST")
}

func TestUnreachable(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	var out strings.Builder
	for _, c := range []struct{ what, host string }{
		{"nothing listens", at(gone)},
		{"a certificate of an unknown authority", at(secure)},
		{"no such host", "registry.invalid"},
	} {
		cl := registry.New(registry.Options{Backoff: time.Millisecond, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, "registry.invalid") {
				return nil, &net.DNSError{Err: "no such host", Name: "registry.invalid", IsNotFound: true}
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}})
		_, err := cl.Push(t.Context(), source.FromImage("x", web(t, "amd64")), refs(t, c.host+"/me/web:v1"))
		out.WriteString(told(t, c.what, err, c.host, ""))
	}
	testkit.Golden(t, "testdata/unreachable.golden", []byte(out.String()))
}

// A certificate for another name is told as such; one of an authority that is
// trusted is accepted.
func TestCertificates(t *testing.T) {
	secure := httptest.NewTLSServer(serve(t, nil).Config.Handler)
	t.Cleanup(secure.Close)
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	c := registry.New(registry.Options{Backoff: time.Millisecond, RootCAs: roots})
	host := secure.Listener.Addr().String()
	img := source.FromImage("x", web(t, "amd64"))
	if _, err := c.Push(t.Context(), img, refs(t, host+"/me/web:v1")); err != nil {
		t.Error(err)
	}
	_, port, _ := strings.Cut(host, ":")
	_, err := c.Push(t.Context(), img, refs(t, "localhost:"+port+"/me/web:v1"))
	var e *registry.Error
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "certificate of localhost:"+port+" is not valid") || !strings.Contains(e.Hint, "the name that the certificate is for") {
		t.Errorf("Push = %v, want it to name the certificate", err)
	}
}

// Off loopback nothing is sent without TLS, whatever the registry speaks.
func TestPlainHTTPIsForLoopback(t *testing.T) {
	asked := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked <- r.Method + " " + r.URL.Path }))
	t.Cleanup(srv.Close)
	c := registry.New(registry.Options{Backoff: time.Millisecond, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
	}})
	_, err := c.Push(t.Context(), source.FromImage("x", web(t, "amd64")), refs(t, "10.11.12.13:5000/me/web:v1"))
	var e *registry.Error
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "10.11.12.13:5000 speaks plain http, which is allowed on loopback only") {
		t.Errorf("Push = %v, want it refused", err)
	}
	select {
	case r := <-asked:
		t.Errorf("asked without TLS: %s", r)
	default:
	}
}

func TestBadReferences(t *testing.T) {
	for _, ref := range []string{"", "ghcr.io/Me/Web", "https://ghcr.io/me/web", "ghcr.io/me/web:a b", "ghcr.io/me/web@sha256:12", "ghcr.io/me/web:-x", "127.0.0.1:5000/web:.x"} {
		_, err := registry.ParseRef(ref)
		var e *registry.Error
		if !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("ParseRef(%q) = %v, want an error with a cure", ref, err)
		}
	}
}

func TestOpen(t *testing.T) {
	s, img := serve(t, nil), web(t, "amd64")
	if _, err := client(nil).Push(t.Context(), source.FromImage("x", img), refs(t, s.host+"/me/web:v1")); err != nil {
		t.Fatal(err)
	}
	got, err := client(nil).Open(t.Context(), s.host+"/me/web:v1")
	if err != nil || digest(t, got) != digest(t, img) {
		t.Errorf("Open = %v, %v", got, err)
	}
	_, err = client(nil).Open(t.Context(), s.host+"/me/web:v2")
	var e *registry.Error
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "there is no such image") {
		t.Errorf("Open of another tag = %v", err)
	}
}
