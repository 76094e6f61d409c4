package daemon_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"nix2gpu/image/daemon"
	"nix2gpu/image/source"
	"nix2gpu/internal/engine"
	"nix2gpu/internal/testkit"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engine.Stop()
	testkit.RemoveBinary()
	if dir, err := packages(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// environ is the options that come from an environment such as "A=b".
func environ(env []string) daemon.Options {
	return daemon.Options{
		Environ: append(os.Environ(), env...),
		Getenv: func(name string) string {
			for i := len(env) - 1; i >= 0; i-- {
				if v, ok := strings.CutPrefix(env[i], name+"="); ok {
					return v
				}
			}
			return ""
		},
	}
}

// program is an image that can be run: our own program, which needs no other file.
func program(t *testing.T, arch string, more ...v1.Layer) v1.Image {
	t.Helper()
	data, err := os.ReadFile(testkit.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	layers := append([]v1.Layer{testkit.Layer(t, map[string]string{"usr/": "", "usr/bin/": "", "usr/bin/nix2gpu": string(data), "tmp/": ""})}, more...)
	return testkit.Image(t, arch, v1.Config{Entrypoint: []string{"/usr/bin/nix2gpu"}, Cmd: []string{"eval", "-E", "6 * 7"}, Env: []string{"PATH=/usr/bin"}}, layers...)
}

func load(t *testing.T, into daemon.Engine, what *source.Source) *daemon.Result {
	t.Helper()
	r, err := into.Load(t.Context(), daemon.Request{Source: what, Ref: "answer:v1"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func find(t *testing.T, name string, opts daemon.Options) daemon.Engine {
	t.Helper()
	e, err := daemon.Find(name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func id(t *testing.T, img v1.Image) string {
	t.Helper()
	h, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func TestDocker(t *testing.T) {
	docker := engine.Docker(t)
	into := find(t, "docker", environ(docker.Env))
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	img := program(t, runtime.GOARCH, testkit.Layer(t, map[string]string{"etc/": "", "etc/note": "one"}))
	// Of an index the engine gets the image for itself.
	idx := source.FromIndex("x", testkit.Index(t, testkit.Image(t, other, v1.Config{}), img))
	first := load(t, into, idx)
	if first.ID != id(t, img) || first.Reused != 0 || first.Sent == 0 {
		t.Errorf("loaded %+v, want all of %s", first, id(t, img))
	}
	if got := docker.MustExec("run", "--rm", "--network", "none", "answer:v1"); got != "42\n" {
		t.Errorf("it says %q, want 42", got)
	}
	if again := load(t, into, idx); again.Sent != 0 || again.Reused != 2 {
		t.Errorf("loaded again: %+v, want nothing sent", again)
	}
	// A changed definition is a small layer on top.
	img = program(t, runtime.GOARCH, testkit.Layer(t, map[string]string{"etc/": "", "etc/note": "two"}))
	changed := load(t, into, source.FromImage("x", img))
	if changed.Reused != 1 || changed.Sent > 1<<10 || changed.ID != id(t, img) {
		t.Errorf("loaded %+v, want the program's layer left out", changed)
	}
	if got := docker.MustExec("inspect", "-f", "{{.Id}} {{.RepoTags}}", "answer:v1"); got != id(t, img)+" [answer:v1]\n" {
		t.Errorf("answer:v1 is %s, want %s", got, id(t, img))
	}
	if got := docker.MustExec("run", "--rm", "--network", "none", "answer:v1"); got != "42\n" {
		t.Errorf("it says %q, want 42", got)
	}
	// An older image is there under no name: it needs no more than that.
	if back := load(t, into, idx); back.Sent != 0 || back.ID != first.ID {
		t.Errorf("loaded %+v, want %s named again", back, first.ID)
	}
}

// Layers that the engine lost between the question and the archive are sent.
func TestDockerLacksALayer(t *testing.T) {
	docker := engine.Docker(t)
	top := testkit.Layer(t, map[string]string{"note": "top"})
	base := testkit.Image(t, runtime.GOARCH, v1.Config{}, testkit.Layer(t, map[string]string{"note": "base"}))
	img, err := mutate.AppendLayers(base, top)
	if err != nil {
		t.Fatal(err)
	}
	load(t, find(t, "docker", environ(docker.Env)), source.FromImage("x", base))
	docker.MustExec("rmi", "answer:v1")
	// A proxy that still believes in the layers of before.
	lies := proxy(t, docker.Socket, map[string]string{"/images/answer:v1/json": describe(t, base)})
	r := load(t, find(t, "docker", environ([]string{"DOCKER_HOST=unix://" + lies})), source.FromImage("x", img))
	if r.Reused != 0 || r.ID != id(t, img) {
		t.Errorf("loaded %+v, want both layers sent", r)
	}
	if got := strings.TrimSpace(docker.MustExec("inspect", "-f", "{{.Id}}", "answer:v1")); got != id(t, img) {
		t.Errorf("answer:v1 is %s, want %s", got, id(t, img))
	}
}

func TestDockerTakesZstd(t *testing.T) {
	docker := engine.Docker(t)
	img := testkit.Image(t, runtime.GOARCH, v1.Config{}, testkit.LayerAs(t, types.OCILayerZStd, map[string]string{"note": "zstd"}))
	if r := load(t, find(t, "docker", environ(docker.Env)), source.FromImage("x", img)); r.ID != id(t, img) {
		t.Errorf("loaded %+v, want %s", r, id(t, img))
	}
}

func TestPodmanByItsCommand(t *testing.T) {
	podman := engine.Podman(t)
	into := find(t, "podman", environ(podman.Env))
	img := source.FromImage("x", program(t, runtime.GOARCH))
	if r := load(t, into, img); r.Sent == 0 {
		t.Errorf("loaded %+v, want something sent", r)
	}
	if got := podman.MustExec("run", "--rm", "--network", "none", "answer:v1"); got != "42\n" {
		t.Errorf("it says %q, want 42", got)
	}
	podman.MustExec("tag", "answer:v1", "kept")
	podman.MustExec("untag", "kept", "localhost/answer:v1")
	if r := load(t, into, img); r.Sent != 0 {
		t.Errorf("loaded again: %+v, want nothing sent", r)
	}
	podman.MustExec("image", "exists", "localhost/answer:v1")
	// The digest that a registry would show is kept.
	want, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(podman.MustExec("image", "inspect", "-f", "{{.Digest}}", "answer:v1")); got != want.String() {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestPodmanByItsSocket(t *testing.T) {
	podman := engine.Podman(t)
	socket := filepath.Join(t.TempDir(), "podman.sock")
	service := podman.Start("system", "service", "--time", "0", "unix://"+socket)
	defer func() {
		service.Signal(syscall.SIGTERM)
		service.Wait() // whatever it makes of the signal
	}()
	if !testkit.Eventually(func() bool { _, err := os.Stat(socket); return err == nil }) {
		t.Fatalf("no socket:\n%s", service.Output())
	}
	into := find(t, "podman", environ([]string{"CONTAINER_HOST=unix://" + socket}))
	img := source.FromImage("x", program(t, runtime.GOARCH))
	if r := load(t, into, img); r.Sent == 0 {
		t.Errorf("loaded %+v, want something sent", r)
	}
	if r := load(t, into, img); r.Sent != 0 {
		t.Errorf("loaded again: %+v, want nothing sent", r)
	}
	if got := podman.MustExec("run", "--rm", "--network", "none", "answer:v1"); got != "42\n" {
		t.Errorf("it says %q, want 42", got)
	}
}
