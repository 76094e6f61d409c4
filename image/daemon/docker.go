package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// An api is an engine with docker's HTTP API on a unix socket.
type api struct {
	name     string
	socket   string
	chosen   bool // the user has chosen the socket
	partial  bool // it accepts archives without layers that it has
	opts     Options
	client   *http.Client
	start    string // how to start it, for hints
	username string // how to be allowed, for hints
}

const (
	// oldest is the first version with content-addressed layers: Docker 1.10.
	oldest = "1.22"
	// zstdSince is the first version that loads layers in zstd: Docker 23.
	zstdSince = "1.42"
)

func newAPI(name, socket string, opts Options) *api {
	return &api{name: name, socket: socket, opts: opts, client: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return opts.Dial(ctx, "unix", socket)
		},
	}}}
}

func findDocker(opts Options) (*api, error) {
	host, from := opts.Getenv("DOCKER_HOST"), "DOCKER_HOST"
	if host == "" {
		var err error
		if host, from, err = contextHost(opts); err != nil {
			return nil, err
		}
	}
	socket := opts.DockerSocket
	if host != "" {
		var ok bool
		if socket, ok = strings.CutPrefix(host, "unix://"); !ok || !filepath.IsAbs(socket) {
			return nil, &Error{Msg: fmt.Sprintf("%s is %q: only an engine of this machine can be loaded into, by unix:///PATH", from, host),
				Hint: "push the image to a registry that the other engine can pull from"}
		}
	}
	a := newAPI("docker", socket, opts)
	a.chosen, a.partial = host != "", true
	a.start = "start it: systemctl start docker"
	a.username = "join the group docker (usermod -aG docker $USER, then log in again), or run this as root"
	return a, nil
}

// contextHost returns the host of the docker client's present context, and the file that
// says so. Rootless docker and Docker Desktop set up a context.
func contextHost(opts Options) (host, from string, err error) {
	dir := opts.Getenv("DOCKER_CONFIG")
	if dir == "" {
		if opts.Getenv("HOME") == "" {
			return "", "", nil
		}
		dir = filepath.Join(opts.Getenv("HOME"), ".docker")
	}
	name := opts.Getenv("DOCKER_CONTEXT")
	if name == "" {
		var config struct{ CurrentContext string }
		if data, err := os.ReadFile(filepath.Join(dir, "config.json")); err == nil && json.Unmarshal(data, &config) == nil {
			name = config.CurrentContext
		}
	}
	if name == "" || name == "default" {
		return "", "", nil
	}
	sum := sha256.Sum256([]byte(name))
	file := filepath.Join(dir, "contexts", "meta", hex.EncodeToString(sum[:]), "meta.json")
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &meta)
	}
	if err != nil {
		return "", "", &Error{Err: err, Msg: fmt.Sprintf("docker's context %q cannot be read: %v", name, err),
			Hint: "choose another: docker context use default"}
	}
	return meta.Endpoints["docker"].Host, fmt.Sprintf("the host of docker's context %q", name), nil
}

// Name implements Engine.
func (a *api) Name() string { return a.name }

// Ready implements Engine.
func (a *api) Ready(ctx context.Context) error {
	_, err := a.hello(ctx)
	return err
}

// Load implements Engine.
func (a *api) Load(ctx context.Context, req Request) (*Result, error) {
	ver, err := a.hello(ctx)
	if err != nil {
		return nil, err
	}
	want := req.Platform
	if want == "" {
		want = platform(ver.Arch)
	}
	v, err := req.Source.ForPlatform(want)
	if err != nil {
		return nil, err
	}
	ref := req.Ref
	if a.name == "podman" {
		ref = local(ref)
	}
	b, err := newBundle(ref, v.Image)
	if err != nil {
		return nil, err
	}
	b.plain = a.name == "docker" && older(ver.APIVersion, zstdSince) && b.zstd()
	id, err := v.Image.ConfigName()
	if err != nil {
		return nil, err
	}
	result := &Result{Engine: a.name, Ref: req.Ref, ID: id.String(), Layers: len(b.layers)}
	if there, err := a.inspect(ctx, id.String()); err != nil {
		return nil, err
	} else if there != nil {
		result.Reused = len(b.layers)
		return result, a.tag(ctx, id.String(), ref)
	}
	if a.partial {
		if b.skip, err = a.shared(ctx, req.Ref, v.Image); err != nil {
			return nil, err
		}
	}
	err = a.send(ctx, b, result)
	var refused *refusal
	if b.skip > 0 && errors.As(err, &refused) {
		// Its store works in another way, or the layers were removed meanwhile.
		b.skip = 0
		err = a.send(ctx, b, result)
	}
	result.Reused = b.skip
	return result, a.explain(err)
}

// stranger returns the error for a socket at which something else answers.
func (a *api) stranger(err error) error {
	return &Error{Msg: fmt.Sprintf("what answers at %s is not %s", a.socket, a.name), Err: err,
		Hint: "name the engine's socket: DOCKER_HOST=unix:///PATH for docker, CONTAINER_HOST for podman"}
}

// hello asks the engine for its version and architecture.
func (a *api) hello(ctx context.Context) (v version, err error) {
	if err := a.get(ctx, "/version", &v); err != nil {
		return v, a.explain(err)
	}
	if v.APIVersion == "" || v.Arch == "" {
		return v, a.stranger(nil)
	}
	if older(v.APIVersion, oldest) {
		return v, &Error{Msg: fmt.Sprintf("%s %s is too old: its API is %s, and %s is needed", a.name, v.Version, v.APIVersion, oldest),
			Hint: "install a newer one"}
	}
	return v, nil
}

// A version is the answer to "GET /version".
type version struct{ APIVersion, Version, Arch string }

// older reports whether version a is older than b: 1.9 is older than 1.22.
func older(a, b string) bool {
	aMajor, aMinor, _ := strings.Cut(a, ".")
	bMajor, bMinor, _ := strings.Cut(b, ".")
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	if number(aMajor) != number(bMajor) {
		return number(aMajor) < number(bMajor)
	}
	return number(aMinor) < number(bMinor)
}

// A stored image is an image in the engine.
type stored struct {
	ID     string
	RootFS struct{ Layers []string }
}

// inspect looks for an image; nil if the engine does not have it.
func (a *api) inspect(ctx context.Context, name string) (*stored, error) {
	var img stored
	err := a.get(ctx, "/images/"+name+"/json", &img)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, a.explain(err)
	}
	return &img, nil
}

// shared returns how many layers, from the bottom, are the same in the engine's image
// ref.
func (a *api) shared(ctx context.Context, ref string, img v1.Image) (int, error) {
	old, err := a.inspect(ctx, ref)
	if err != nil || old == nil {
		return 0, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(old.RootFS.Layers) && n < len(config.RootFS.DiffIDs) && old.RootFS.Layers[n] == config.RootFS.DiffIDs[n].String() {
		n++
	}
	return n, nil
}

func (a *api) tag(ctx context.Context, id, ref string) error {
	at := strings.LastIndexByte(ref, ':')
	repo, tag := ref[:at], ref[at+1:]
	q := url.Values{"repo": {repo}, "tag": {tag}}
	resp, err := a.do(ctx, http.MethodPost, "/images/"+id+"/tag?"+q.Encode(), nil)
	if err != nil {
		return a.explain(err)
	}
	return resp.Body.Close()
}

// send sends an archive and reads the engine's answer.
func (a *api) send(ctx context.Context, b *bundle, result *Result) error {
	total, err := b.size()
	if err != nil {
		return err
	}
	pr, pw := io.Pipe()
	written := make(chan error, 1)
	result.Sent = 0
	go func() {
		err := b.write(pw, func(n int) {
			result.Sent += int64(n)
			a.opts.Progress(result.Sent, total)
		})
		pw.CloseWithError(err)
		written <- err
	}()
	resp, err := a.do(ctx, http.MethodPost, "/images/load?quiet=1", pr)
	if err == nil {
		err = a.said(resp)
	}
	pr.Close() // ends the writer, if the engine did not read all
	if wrote := <-written; wrote != nil && !errors.Is(wrote, io.ErrClosedPipe) {
		return wrote // the error is ours: a blob that can't be read
	}
	return err
}

// said reads the messages of a load: its errors come in the body of an answer with
// status 200.
func (a *api) said(resp *http.Response) error {
	defer resp.Body.Close()
	for dec := json.NewDecoder(resp.Body); ; {
		var line struct{ Error string }
		switch err := dec.Decode(&line); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return a.explain(fmt.Errorf("%s answers with something that is not JSON: %w", a.name, err))
		case line.Error != "":
			return &refusal{resp.StatusCode, line.Error}
		}
	}
}

// A refusal is an error that the engine reports.
type refusal struct {
	status int
	msg    string
}

func (r *refusal) Error() string { return r.msg }

func (a *api) get(ctx context.Context, path string, into any) error {
	resp, err := a.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 16<<20)).Decode(into); err != nil {
		return a.stranger(err)
	}
	return nil
}

// do sends a request to the engine. A body is an archive. An answer without success is a
// *refusal.
func (a *api) do(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	return a.ask(ctx, method, path, "application/x-tar", body)
}

func (a *api) ask(ctx context.Context, method, path, contentType string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, refusalOf(resp)
}

// refusalOf reads the message of an answer without success.
func refusalOf(resp *http.Response) *refusal {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // an error leaves what came before it
	var said struct{ Message, Cause string }
	if json.Unmarshal(data, &said) != nil || said.Message == "" {
		said.Message = strings.TrimSpace(string(data))
	}
	if said.Message == "" {
		said.Message = resp.Status
	}
	return &refusal{resp.StatusCode, said.Message}
}

// explain makes an [*Error] of an error of the socket or of the engine.
func (a *api) explain(err error) error {
	var done *Error
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) {
		return err
	}
	e := &Error{Err: err}
	var refused *refusal
	var op *net.OpError
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &op):
		e.Msg = fmt.Sprintf("%s does not run here: there is no socket at %s", a.name, a.socket)
		e.Hint = "install and " + a.start
		if a.chosen {
			e.Hint = "is DOCKER_HOST right?"
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Msg = fmt.Sprintf("%s does not run: nobody listens at %s", a.name, a.socket)
		e.Hint = a.start
	case errors.Is(err, fs.ErrPermission):
		e.Msg = fmt.Sprintf("this user may not use %s at %s", a.name, a.socket)
		e.Hint = a.username
	case strings.Contains(err.Error(), syscall.ENOSPC.Error()):
		e.Msg = fmt.Sprintf("%s has no room left for the image", a.name)
		e.Hint = fmt.Sprintf("free some: %s system df shows what takes it, %s system prune removes what nothing uses", a.name, a.name)
	case errors.As(err, &refused):
		e.Msg = fmt.Sprintf("%s refuses the image: %s", a.name, refused.msg)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		e.Msg = fmt.Sprintf("%s cut the connection", a.name)
		e.Hint = "its log says why: journalctl -u " + a.name
	default:
		return err
	}
	return e
}
