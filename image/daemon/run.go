package daemon

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A Run describes a container that is removed when its command has ended.
type Run struct {
	Image string // id of an image in the engine
	Cmd   []string
	Env   []string // "NAME=value"; the engine keeps it in its records
	Binds []Bind
	Ports []Port
	GPUs  bool // give it all GPUs

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Size returns the size of the terminal that Stdin, Stdout and Stderr are; nil if
	// they are none. It is called at the start, and after each receive from Resized.
	Size    func() (columns, rows int)
	Resized <-chan struct{}
	// Raw puts the terminal into raw mode until undo is called. An engine whose own
	// program uses the terminal does not call it.
	Raw func() (undo func(), err error)
}

// A Bind mounts a file or folder of this machine in a container.
type Bind struct {
	From, To string
	ReadOnly bool
}

// A Port is a port of a container that is published on this machine.
type Port struct {
	Number   int
	Protocol string // "tcp", "udp", "sctp"
	Any      bool   // as a port that the engine chooses, instead of the same number
}

// runSince is the first version that tells the exit code of a container that is removed
// at once: Docker 17.05.
const runSince = "1.30"

// containerConfig is the body of the request that creates a container.
type containerConfig struct {
	Image        string
	Cmd          []string
	Env          []string
	Tty          bool
	OpenStdin    bool
	StdinOnce    bool
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	ExposedPorts map[string]struct{}
	HostConfig   hostConfig
}

type hostConfig struct {
	AutoRemove     bool
	Mounts         []mount
	PortBindings   map[string][]portBinding
	DeviceRequests []deviceRequest `json:",omitempty"`
}

type mount struct {
	Type, Source, Target string
	ReadOnly             bool
}

type portBinding struct{ HostIP, HostPort string }

type deviceRequest struct {
	Driver       string
	Count        int
	DeviceIDs    []string   `json:",omitempty"`
	Capabilities [][]string `json:",omitempty"`
}

// Run implements Engine.
func (a *api) Run(ctx context.Context, run Run) (int, error) {
	ver, err := a.hello(ctx)
	if err != nil {
		return 0, err
	}
	if older(ver.APIVersion, runSince) {
		return 0, &Error{Msg: fmt.Sprintf("%s %s is too old for this: its API is %s, and %s is needed", a.name, ver.Version, ver.APIVersion, runSince),
			Hint: "install a newer one"}
	}
	config := a.config(run)
	if run.GPUs {
		config.HostConfig.DeviceRequests = []deviceRequest{a.gpus(ctx)}
	}
	var created struct{ Id string }
	if err := a.post(ctx, "/containers/create", config, &created); err != nil {
		return 0, a.explainRun(err)
	}
	// Docker removes the container itself once it was started, even when we are killed.
	// Podman loses exit codes that way, so there we remove it.
	started := false
	defer func() {
		if !started || !config.HostConfig.AutoRemove {
			a.remove(created.Id)
		}
	}()
	conn, err := a.attach(ctx, created.Id)
	if err != nil {
		return 0, a.explainRun(err)
	}
	defer conn.Close()
	ended := func() (*http.Response, error) { return a.wait(ctx, created.Id, "not-running") }
	if config.HostConfig.AutoRemove {
		// This has to be asked before the start. The header of the answer comes now, and
		// the code at the end.
		resp, err := a.wait(ctx, created.Id, "removed")
		if err != nil {
			return 0, a.explainRun(err)
		}
		defer resp.Body.Close()
		ended = func() (*http.Response, error) { return resp, nil }
	}
	if err := a.post(ctx, "/containers/"+created.Id+"/start", nil, nil); err != nil {
		return 0, a.explainRun(err)
	}
	started = true
	stop := context.AfterFunc(ctx, func() {
		a.remove(created.Id) // this also ends its processes
		conn.Close()
	})
	defer stop()
	if run.Size != nil && run.Raw != nil {
		undo, err := run.Raw()
		if err != nil {
			a.remove(created.Id)
			return 0, err
		}
		defer undo()
	}
	resizing, done := context.WithCancel(ctx)
	defer done()
	go a.resize(resizing, created.Id, run)
	if err := conn.copy(run); err != nil && ctx.Err() == nil {
		return 0, a.explainRun(err)
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	resp, err := ended()
	if err != nil {
		return 0, a.explainRun(err)
	}
	defer resp.Body.Close()
	var end struct {
		StatusCode int
		Error      *struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&end); err != nil {
		return 0, a.explainRun(err)
	}
	if end.Error != nil && end.Error.Message != "" {
		return 0, &Error{Msg: fmt.Sprintf("%s: %s", a.name, end.Error.Message)}
	}
	return end.StatusCode, nil
}

func (a *api) config(run Run) containerConfig {
	c := containerConfig{
		Image: run.Image, Cmd: run.Cmd, Env: run.Env, Tty: run.Size != nil,
		OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		ExposedPorts: map[string]struct{}{},
		HostConfig:   hostConfig{AutoRemove: a.name == "docker", PortBindings: map[string][]portBinding{}},
	}
	for _, b := range run.Binds {
		c.HostConfig.Mounts = append(c.HostConfig.Mounts, mount{"bind", b.From, b.To, b.ReadOnly})
	}
	for _, p := range run.Ports {
		name := strconv.Itoa(p.Number) + "/" + p.Protocol
		c.ExposedPorts[name] = struct{}{}
		host := strconv.Itoa(p.Number)
		if p.Any {
			host = ""
		}
		c.HostConfig.PortBindings[name] = []portBinding{{HostPort: host}}
	}
	return c
}

// gpus requests all GPUs: by CDI if the engine reads its files and there are some, or
// else by NVIDIA's hook.
func (a *api) gpus(ctx context.Context) deviceRequest {
	var info struct{ CDISpecDirs []string }
	if a.name == "podman" || a.get(ctx, "/info", &info) == nil && a.opts.hasCDI(info.CDISpecDirs) {
		return deviceRequest{Driver: "cdi", DeviceIDs: []string{cdiGPUs}}
	}
	return deviceRequest{Count: -1, Capabilities: [][]string{{"gpu"}}}
}

// cdiGPUs is the name of all GPUs in NVIDIA's CDI files.
const cdiGPUs = "nvidia.com/gpu=all"

// wait requests the exit code, which is sent once condition holds.
func (a *api) wait(ctx context.Context, id, condition string) (*http.Response, error) {
	return a.do(ctx, http.MethodPost, "/containers/"+id+"/wait?condition="+condition, nil)
}

// remove removes a container and its volumes, even if it runs.
func (a *api) remove(id string) {
	resp, err := a.do(context.Background(), http.MethodDelete, "/containers/"+id+"?force=1&v=1", nil)
	if err == nil {
		resp.Body.Close() // an error can't be helped here
	}
}

// resize sets the size of the container's terminal, now and when ours changes.
func (a *api) resize(ctx context.Context, id string, run Run) {
	if run.Size == nil {
		return
	}
	for {
		if columns, rows := run.Size(); columns > 0 && rows > 0 {
			q := url.Values{"w": {strconv.Itoa(columns)}, "h": {strconv.Itoa(rows)}}
			if resp, err := a.do(ctx, http.MethodPost, "/containers/"+id+"/resize?"+q.Encode(), nil); err == nil {
				resp.Body.Close()
			}
		}
		select {
		case <-run.Resized:
		case <-ctx.Done():
			return
		}
	}
}

// post sends body as JSON and decodes the answer into into, unless that is nil.
func (a *api) post(ctx context.Context, path string, body, into any) error {
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r = bytes.NewReader(data)
	}
	resp, err := a.ask(ctx, http.MethodPost, path, "application/json", r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into); err != nil {
		return a.stranger(err)
	}
	return nil
}

// An attachment is a connection to a container: what is written goes to its stdin, and
// what is read is its output.
type attachment struct {
	net.Conn
	read *bufio.Reader
}

// attach opens an attachment, by an HTTP upgrade.
func (a *api) attach(ctx context.Context, id string) (*attachment, error) {
	conn, err := a.opts.Dial(ctx, "unix", a.socket)
	if err != nil {
		return nil, err
	}
	// By default ctrl-p begins the detach sequence. In a shell it goes up a line, and
	// would wait for the next key.
	q := url.Values{"stream": {"1"}, "stdin": {"1"}, "stdout": {"1"}, "stderr": {"1"}, "detachKeys": {"ctrl-@,ctrl-@"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine/containers/"+id+"/attach?"+q.Encode(), http.NoBody)
	if err != nil {
		conn.Close()
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "tcp")
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := req.Write(conn); err != nil {
		conn.Close()
		return nil, err
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, req)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols && resp.StatusCode != http.StatusOK {
		err = refusalOf(resp)
		resp.Body.Close()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &attachment{conn, r}, nil
}

// copy copies input and output between a run and its container, until the container has
// ended.
func (c *attachment) copy(run Run) error {
	go func() {
		// It ends with the input or the connection. A pending read of a terminal can't
		// be interrupted, but the program ends soon after.
		_, _ = io.Copy(c.Conn, run.Stdin)
		if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	if run.Size != nil {
		_, err := io.Copy(run.Stdout, c.read)
		return err
	}
	return demultiplex(c.read, run.Stdout, run.Stderr)
}

// demultiplex splits the output of a container without a terminal into stdout and
// stderr. Each piece follows a header of 8 bytes, with its stream and length.
func demultiplex(r io.Reader, stdout, stderr io.Writer) error {
	for {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		w := stdout
		switch head[0] {
		case 1:
		case 2:
			w = stderr
		default:
			return fmt.Errorf("the engine sends output of an unknown kind %d", head[0])
		}
		if _, err := io.CopyN(w, r, int64(binary.BigEndian.Uint32(head[4:]))); err != nil {
			return err
		}
	}
}

// explainRun makes an [*Error] of an error of running a container.
func (a *api) explainRun(err error) error {
	var refused *refusal
	if !errors.As(err, &refused) {
		return a.explain(err)
	}
	e := &Error{Err: err, Msg: fmt.Sprintf("%s cannot run the image: %s", a.name, refused.msg)}
	e.Hint = runHint(refused.msg)
	return e
}

// runHint returns the cure for an engine's error about running something.
func runHint(said string) string {
	switch {
	case strings.Contains(said, "port is already allocated"), strings.Contains(said, "address already in use"):
		return "stop what has the port, or leave ports out: --no-ports"
	case strings.Contains(said, "could not select device driver"), strings.Contains(said, "unresolvable CDI devices"):
		return "install the NVIDIA Container Toolkit, or leave GPUs out: --gpus none"
	}
	return ""
}
