package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"nix2gpu/image/daemon"
	"nix2gpu/image/source"
	"nix2gpu/internal/testkit"
)

// serve answers on a unix socket, and gives its path.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return socket
}

// proxy passes everything on to an engine but for some paths, whose answers it knows.
func proxy(t *testing.T, to string, known map[string]string) string {
	t.Helper()
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	pass.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", to)
	}}
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer, ok := known[r.URL.Path]; ok {
			io.WriteString(w, answer)
			return
		}
		pass.ServeHTTP(w, r)
	}))
}

// describe is what docker says of an image.
func describe(t *testing.T, img v1.Image) string {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"Id": id(t, img), "RootFS": map[string]any{"Layers": c.RootFS.DiffIDs}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// answers is an engine that says the same each time.
func answers(version string, load func(http.ResponseWriter, *http.Request)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, version) })
	mux.HandleFunc("GET /images/{name}/json", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"message":"No such image"}`)
	})
	if load != nil {
		mux.HandleFunc("POST /images/load", load)
	}
	return mux
}

const usual = `{"ApiVersion":"1.41","Version":"20.10.24","Arch":"amd64"}`

// TestTrouble wants what goes wrong with an engine told with its cure: the
// golden file is what a user reads.
func TestTrouble(t *testing.T) {
	dir := t.TempDir()
	silent := filepath.Join(dir, "silent.sock")
	l, err := net.Listen("unix", silent)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	say := func(status int, text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			io.WriteString(w, text)
		}
	}
	hang := func(w http.ResponseWriter, r *http.Request) {
		io.CopyN(io.Discard, r.Body, 10)
		panic(http.ErrAbortHandler)
	}
	docker := func(socket string) []string { return []string{"DOCKER_HOST=unix://" + socket} }
	contexts := func(name string) []string {
		config := filepath.Join(dir, "config")
		if err := os.MkdirAll(config, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(`{"currentContext":"`+name+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"DOCKER_CONFIG=" + config}
	}
	var out strings.Builder
	for _, c := range []struct {
		what, engine string
		env          []string
		change       func(*daemon.Options)
	}{
		{"no docker", "docker", nil, dialing(syscall.ENOENT)},
		{"no docker where DOCKER_HOST says", "docker", docker(filepath.Join(dir, "none.sock")), nil},
		{"docker is stopped", "docker", docker(silent), nil},
		{"no permission", "docker", docker(silent), dialing(syscall.EACCES)},
		{"docker elsewhere", "docker", []string{"DOCKER_HOST=ssh://me@example.org"}, nil},
		{"a context that is gone", "docker", contexts("gone"), nil},
		{"an old docker", "docker", docker(serve(t, answers(`{"ApiVersion":"1.18","Version":"1.6.2","Arch":"amd64"}`, nil))), nil},
		{"not docker", "docker", docker(serve(t, answers(`{}`, nil))), nil},
		{"no JSON", "docker", docker(serve(t, answers(`<html>`, nil))), nil},
		{"disk full", "docker", docker(serve(t, answers(usual, say(200, `{"errorDetail":{"message":"x"},"error":"Error processing tar file(exit status 1): write /usr/bin/nix2gpu: no space left on device"}`)))), nil},
		{"refused", "docker", docker(serve(t, answers(usual, say(200, `{"error":"invalid diffID for layer 0"}`)))), nil},
		{"refused by status", "docker", docker(serve(t, answers(usual, say(500, `{"message":"authorization denied by plugin"}`)))), nil},
		{"cut off", "docker", docker(serve(t, answers(usual, hang))), nil},
		{"podman without room, by its socket", "podman", []string{"CONTAINER_HOST=unix://" + serve(t, answers(usual, say(500, `{"cause":"no space left on device","message":"writing blob: no space left on device"}`)))}, nil},
		{"no podman", "podman", nil, bare},
		{"neither", "", nil, bare},
		{"podman fails", "podman", nil, script(t, dir, "echo 'time=x level=warning' >&2; echo 'Error: payload does not match any of the supported image formats' >&2; exit 125")},
		{"podman without room", "podman", nil, script(t, dir, "cat >/dev/null; echo 'Error: writing blob: no space left on device' >&2; exit 125")},
	} {
		opts := environ(c.env)
		opts.UID = 0
		if c.change != nil {
			c.change(&opts)
		}
		into, err := daemon.Find(c.engine, opts)
		if err == nil {
			img := source.FromImage("x", testkit.Image(t, "amd64", v1.Config{}, testkit.Layer(t, map[string]string{"big": strings.Repeat("x", 1<<20)})))
			_, err = into.Load(t.Context(), daemon.Request{Source: img, Ref: "web:latest"})
		}
		var e *daemon.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want a *daemon.Error", c.what, err)
			continue
		}
		out.WriteString("--- " + c.what + "\n" + e.Msg + "\n")
		if e.Hint != "" {
			out.WriteString("hint: " + e.Hint + "\n")
		}
	}
	text := regexp.MustCompile(`/\S*/(\w+\.sock)`).ReplaceAllStringFunc(out.String(), func(s string) string {
		if s == "/var/run/docker.sock" || s == "/run/podman/podman.sock" {
			return s
		}
		return "DIR/" + filepath.Base(s)
	})
	testkit.Golden(t, "testdata/trouble.golden", []byte(strings.ReplaceAll(text, dir, "DIR")))
}

// dialing makes every connection fail.
func dialing(errno syscall.Errno) func(*daemon.Options) {
	return func(o *daemon.Options) {
		o.Dial = func(_ context.Context, network, addr string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", errno)}
		}
	}
}

// bare is a machine without engines. Docker's socket may lie on the machine
// that tests run on: it is looked for elsewhere.
func bare(o *daemon.Options) {
	dialing(syscall.ENOENT)(o)
	o.DockerSocket = "/nowhere/docker.sock"
	o.LookPath = func(string) (string, error) { return "", errors.New("not found") }
}

// script is a podman that does what it is told, in shell.
func script(t *testing.T, dir, text string) func(*daemon.Options) {
	t.Helper()
	file, err := os.CreateTemp(dir, "podman-*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("#!/bin/sh\n[ \"$1\" = load ] || exit 1\n" + text + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Chmod(0o755), file.Close()); err != nil {
		t.Fatal(err)
	}
	return func(o *daemon.Options) {
		dialing(syscall.ENOENT)(o)
		o.LookPath = func(string) (string, error) { return file.Name(), nil }
	}
}

func TestContextsOfDocker(t *testing.T) {
	socket := serve(t, answers(usual, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	config := t.TempDir()
	digest, _, err := v1.SHA256(strings.NewReader("rootless"))
	if err != nil {
		t.Fatal(err)
	}
	meta := filepath.Join(config, "contexts", "meta", digest.Hex, "meta.json")
	if err := os.MkdirAll(filepath.Dir(meta), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(meta, []byte(`{"Name":"rootless","Endpoints":{"docker":{"Host":"unix://`+socket+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	into := find(t, "", environ([]string{"DOCKER_CONFIG=" + config, "DOCKER_CONTEXT=rootless"}))
	img := source.FromImage("x", testkit.Image(t, "amd64", v1.Config{}))
	if _, err := into.Load(t.Context(), daemon.Request{Source: img, Ref: "web:latest"}); err != nil {
		t.Error(err)
	}
}

func TestUnknownEngine(t *testing.T) {
	if _, err := daemon.Find("crio", environ(nil)); err == nil || !strings.Contains(err.Error(), "must be docker or podman") {
		t.Errorf("Find = %v", err)
	}
}

// A load that is cancelled ends, and leaves no goroutine at its pipe.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	socket := serve(t, answers(usual, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	into := find(t, "docker", environ([]string{"DOCKER_HOST=unix://" + socket}))
	img := source.FromImage("x", testkit.Image(t, "amd64", v1.Config{}, testkit.Layer(t, map[string]string{"note": "x"})))
	if _, err := into.Load(ctx, daemon.Request{Source: img, Ref: "web:latest"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Load = %v, want context.Canceled", err)
	}
}
