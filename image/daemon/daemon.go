package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"nix2gpu/image/source"
)

// Options say where engines are looked for. Getenv must be set.
type Options struct {
	Getenv func(string) string
	UID    int
	// Environ is that of podman's command.
	Environ []string
	// Progress is told of bytes that were sent, out of those to send.
	Progress func(done, total int64)

	// The rest is replaced by tests.
	Dial         func(ctx context.Context, network, addr string) (net.Conn, error)
	LookPath     func(program string) (string, error)
	DockerSocket string // where docker listens unless it was told otherwise
	Root         string // of the machine whose devices are looked for; "" is this one
}

// A Request says what to load, and as what.
type Request struct {
	Source   *source.Source
	Ref      string // "web:latest"; always with a tag
	Platform string // of several in the source; "" is that of the engine
}

// A Result says what a load did.
type Result struct {
	Engine string // "docker", "podman"
	Ref    string
	ID     string // of the image in the engine: the digest of its config
	Sent   int64  // bytes
	Layers int
	Reused int // layers that were there already
}

// An Engine is one that images can be loaded into.
type Engine interface {
	// Name is "docker" or "podman".
	Name() string
	// Ready reports what keeps the engine from answering: to be asked before work is
	// done for it.
	Ready(context.Context) error
	// Load brings an image into the engine and names it.
	Load(context.Context, Request) (*Result, error)
	// Run runs an image until its command has ended, and gives its exit code.
	Run(context.Context, Run) (code int, err error)
}

// An Error is what is wrong with an engine, for the person who must act on it.
type Error struct {
	Msg  string
	Hint string // the cure; may be ""
	Err  error  // as it came; may be nil
}

func (e *Error) Error() string { return e.Msg }
func (e *Error) Unwrap() error { return e.Err }

func (o *Options) setDefaults() {
	if o.Dial == nil {
		o.Dial = new(net.Dialer).DialContext
	}
	o.DockerSocket = cmp.Or(o.DockerSocket, "/var/run/docker.sock")
	if o.LookPath == nil {
		o.LookPath = exec.LookPath
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
}

// Find is the engine called name, "docker" or "podman"; without a name docker
// where its socket is there, else podman.
func Find(name string, opts Options) (Engine, error) {
	opts.setDefaults()
	switch name {
	case "docker":
		return findDocker(opts)
	case "podman":
		return findPodman(opts)
	case "":
	default:
		return nil, fmt.Errorf("engine %q must be docker or podman", name)
	}
	d, err := findDocker(opts)
	if err != nil {
		return nil, err // DOCKER_HOST says what we can't do
	}
	if _, err := os.Stat(d.socket); err == nil || d.chosen {
		return d, nil
	}
	p, err := findPodman(opts)
	if err != nil {
		return nil, &Error{Err: errors.Join(os.ErrNotExist, err),
			Msg:  fmt.Sprintf("no container engine here: docker has no socket at %s, and podman is not installed", d.socket),
			Hint: "install and start one (apt-get install podman), or push the image to a registry"}
	}
	return p, nil
}

// platform is that of an engine's machine, by its architecture.
func platform(arch string) string { return "linux/" + arch }

// local is how podman calls an image that comes from this machine: else a short
// name means one of Docker Hub, which might be pulled in its place.
func local(ref string) string {
	if host, _, ok := strings.Cut(ref, "/"); ok && (host == "localhost" || strings.ContainsAny(host, ".:")) {
		return ref
	}
	return "localhost/" + ref
}

// full is a reference with the registry that a short one stands for.
func full(ref string) string {
	r, err := name.ParseReference(ref)
	if err != nil {
		return ref
	}
	return strings.Replace(r.Name(), name.DefaultRegistry, "docker.io", 1)
}
