package client_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/control"
	"nix2gpu/control/client"
)

// pemFile writes the certificate of a server.
func pemFile(t testing.TB, srv *httptest.Server) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// answers says who asked, and for what.
func answers(w http.ResponseWriter, r *http.Request) {
	switch r.Header.Get("Authorization") {
	case "Bearer first", "Bearer second":
		fmt.Fprintf(w, `{"schemaVersion":1,"project":%q}`, r.Header.Get("Authorization"))
	default:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"code":"unauthorized","error":"a token is needed","hint":"send it"}`)
	}
}

func TestTokenOverTCP(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(answers))
	defer srv.Close()
	ca, file := pemFile(t, srv), filepath.Join(t.TempDir(), "token")
	ask := func(opts client.TCP) (string, error) {
		t.Helper()
		c, err := client.NewTCP(opts)
		if err != nil {
			return "", err
		}
		s, err := c.State(t.Context())
		return s.Project, err
	}
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ask(client.TCP{URL: srv.URL, TokenFile: file, CAFile: ca}); got != "Bearer first" || err != nil {
		t.Errorf("by file: %q, %v", got, err)
	}
	if got, err := ask(client.TCP{URL: srv.URL, Token: "second", TokenFile: file, CAFile: ca}); got != "Bearer second" || err != nil {
		t.Errorf("by itself: %q, %v", got, err)
	}
	c, err := client.NewTCP(client.TCP{URL: srv.URL, TokenFile: file, CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("second"), 0o600); err != nil { // replaced while the client is in use
		t.Fatal(err)
	}
	if s, err := c.State(t.Context()); err != nil || s.Project != "Bearer second" {
		t.Errorf("replaced: %v, %v", s, err)
	}
	_, err = ask(client.TCP{URL: srv.URL, CAFile: ca})
	var refused *control.Error
	if !errors.As(err, &refused) || refused.Code != control.CodeUnauthorized || refused.Hint == "" {
		t.Errorf("without: %v", err)
	}
	if _, err := ask(client.TCP{URL: srv.URL, TokenFile: file}); err == nil || !strings.Contains(err.Error(), "nobody whom this machine trusts has signed") {
		t.Errorf("an unknown certificate: %v", err)
	}
	for text, want := range map[string]string{"": "must have one word", "two words": "must have one word", strings.Repeat("x", 5000): "must have one word"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.State(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("token file with %.10q: %v", text, err)
		}
	}
}

// A token is sent nowhere but to who was named.
func TestRedirectsAreNotFollowed(t *testing.T) {
	asked := make(chan string, 1)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c, err := client.NewTCP(client.TCP{URL: srv.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); err == nil {
		t.Error("a redirect is an answer")
	}
	select {
	case got := <-asked:
		t.Errorf("somebody else was asked, with %q", got)
	default:
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1:9400":                  "http://127.0.0.1:9400",
		"localhost:9400":                  "http://localhost:9400",
		"[::1]:9400":                      "http://[::1]:9400",
		"shop.example:9400":               "https://shop.example:9400",
		"tcp://shop.example:9400":         "https://shop.example:9400",
		"https://shop.example:9400/":      "https://shop.example:9400",
		"https://127.0.0.1:9400":          "https://127.0.0.1:9400",
		"unix:///run/nix2gpu/shop.sock":   "/run/nix2gpu/shop.sock",
		"http://shop.example:9400":        "! by http the token would travel to shop.example in the clear",
		"localhost.evil.example:9400":     "https://localhost.evil.example:9400",
		"http://127.0.0.1.evil.test:9400": "! by http the token would travel",
		"shop.example":                    "! has no port",
		":9400":                           "! is not that of a project",
		"https://shop.example:9400/v1":    "! is not that of a project",
		"https://shop.example:9400?a=b":   "! is not that of a project",
		"https://me:pw@shop.example:9400": "! has no user or password",
		"ftp://shop.example:9400":         "! has another scheme",
		"unix://shop":                     "! names no socket",
		"http://[::1":                     "! is no URL",
		"":                                "! is not that of a project",
	} {
		c, err := client.NewTCP(client.TCP{URL: text})
		wrong, fails := strings.CutPrefix(want, "! ")
		switch {
		case fails && (err == nil || !strings.Contains(err.Error(), wrong)):
			t.Errorf("%q: %v, want %q", text, err, wrong)
		case !fails && err != nil:
			t.Errorf("%q: %v", text, err)
		case !fails && c.Where() != want:
			t.Errorf("%q: %s, want %s", text, c.Where(), want)
		}
	}
	if _, err := client.NewTCP(client.TCP{URL: "127.0.0.1:1", CAFile: "/dev/null"}); err == nil || !strings.Contains(err.Error(), "is for https") {
		t.Errorf("certificates for http: %v", err)
	}
	if _, err := client.NewTCP(client.TCP{URL: "https://127.0.0.1:1", CAFile: "/dev/null"}); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("no certificate: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	where := srv.URL
	srv.Close()
	c, err := client.NewTCP(client.TCP{URL: where})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); !errors.Is(err, control.ErrNotRunning) || !strings.Contains(err.Error(), where) {
		t.Errorf("State: %v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if c, err = client.NewTCP(client.TCP{URL: strings.Replace(plain.URL, "http:", "https:", 1)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(t.Context()); err == nil || !strings.Contains(err.Error(), "speaks http, not https") {
		t.Errorf("https where http is spoken: %v", err)
	}
}

// An answer that this client can't know is no answer.
func TestLaterVersion(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		state := fmt.Sprintf(`{"schemaVersion":%d,"version":"9"}`, control.SchemaVersion+1)
		if r.URL.Path == "/v1/events" {
			state = `{"state":` + state + `}`
		}
		fmt.Fprintln(w, state)
	})
	if _, err := c.State(t.Context()); !errors.Is(err, control.ErrConflict) || !strings.Contains(err.Error(), "answers in version") {
		t.Errorf("State: %v", err)
	}
	if err := c.Events(t.Context(), func(control.Message) error { return nil }); !errors.Is(err, control.ErrConflict) {
		t.Errorf("Events: %v", err)
	}
}

func ExampleNewTCP() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // stands for a supervisor
		if r.Header.Get("Authorization") == "Bearer of-one-who-may-ask" {
			fmt.Fprintln(w, `{"schemaVersion":1,"project":"shop","healthy":true,"services":[{"id":"web","label":"web","state":"running"}]}`)
		}
	}))
	defer srv.Close()

	c, err := client.NewTCP(client.TCP{URL: srv.URL, Token: "of-one-who-may-ask"}) // or TokenFile, and CAFile for https
	if err != nil {
		fmt.Println(err)
		return
	}
	state, err := c.State(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, svc := range state.Services {
		fmt.Printf("%s: %s is %s\n", state.Project, svc.Label, svc.State)
	}
	// Output: shop: web is running
}

func ExampleNewTCP_refused() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // as a supervisor answers that was not told otherwise
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintln(w, `{"code":"forbidden","error":"/v1/reload is not answered over TCP: it was not allowed","hint":"start the project with --listen-allow reload, or ask through the control socket"}`)
	}))
	defer srv.Close()

	c, err := client.NewTCP(client.TCP{URL: srv.URL, Token: "of-one-who-may-ask"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Reload(context.Background(), nil)
	var refused *control.Error
	if errors.As(err, &refused) && errors.Is(err, control.ErrForbidden) {
		fmt.Println(refused.Msg)
		fmt.Println(refused.Hint)
	}
	// Output:
	// /v1/reload is not answered over TCP: it was not allowed
	// start the project with --listen-allow reload, or ask through the control socket
}
