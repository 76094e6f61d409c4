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

// Options says where to look for engines. Getenv must be set.
type Options struct {
	Getenv func(string) string
	UID    int
	// Environ is the environment of the podman command.
	Environ []string
	// Progress is called with the bytes that were sent, and all that have to be; nil: it
	// is not.
	Progress func(done, total int64)

	// Tests set the rest.
	Dial         func(ctx context.Context, network, addr string) (net.Conn, error)
	LookPath     func(program string) (string, error)
	DockerSocket string // docker's default socket
	Root         string // root folder of the machine whose devices are looked for; "": "/"
}

// A Request says what to load, and under which name.
type Request struct {
	Source   *source.Source
	Ref      string // "web:latest"; always with a tag
	Platform string // if the source has several; "": the engine's
}

// A Result says what a load has done.
type Result struct {
	Engine string // "docker", "podman"
	Ref    string
	ID     string // the engine's id of the image: the digest of its config
	Sent   int64  // bytes
	Layers int
	Reused int // layers that were there already
}

// An Engine is a container engine of this machine.
type Engine interface {
	// Name is "docker" or "podman".
	Name() string
	// Ready returns why the engine does not answer; nil if it does. Callers ask before
	// they do long work for it.
	Ready(context.Context) error
	// Load loads an image into the engine and gives it a name.
	Load(context.Context, Request) (*Result, error)
	// Run runs an image until its command has ended, and returns the exit code.
	Run(context.Context, Run) (code int, err error)
}

// An Error says what is wrong with an engine, in words for whoever has to act on it.
type Error struct {
	Msg  string
	Hint string // the cure; may be ""
	Err  error  // the cause; may be nil
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

// Find returns the engine called name, "docker" or "podman". For "" it returns docker if
// its socket exists, or else podman.
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
		return nil, err // DOCKER_HOST is of a kind that is not supported
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

// platform returns the platform of an engine by its architecture.
func platform(arch string) string { return "linux/" + arch }

// local returns podman's name for an image of this machine. A short name would mean an
// image on Docker Hub, which podman might pull instead.
func local(ref string) string {
	if host, _, ok := strings.Cut(ref, "/"); ok && (host == "localhost" || strings.ContainsAny(host, ".:")) {
		return ref
	}
	return "localhost/" + ref
}

// full adds to a short reference the registry that it stands for.
func full(ref string) string {
	r, err := name.ParseReference(ref)
	if err != nil {
		return ref
	}
	return strings.Replace(r.Name(), name.DefaultRegistry, "docker.io", 1)
}
