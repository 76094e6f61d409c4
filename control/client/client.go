package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"nix2gpu/control"
	"nix2gpu/project"
)

// maxErrorBody bounds what is read of an answer that is an error.
const maxErrorBody = 8 << 20

// A Client sends requests to one supervisor. It is safe for concurrent use.
type Client struct {
	where            string // for messages
	base             string // of URLs
	network, address string
	token            func() (string, error) // nil: none is needed
	http             *http.Client
}

// New returns a client of the supervisor that listens on the socket.
func New(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{where: socket, base: "http://nix2gpu", network: "unix", address: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: dial, DisableKeepAlives: true, DisableCompression: true,
	}}}
}

// Where is what the client asks: the path of a socket, or a URL.
func (c *Client) Where() string { return c.where }

// IsRemote reports whether the client asks over TCP, where not everything is answered,
// and files that an answer names may be those of another machine.
func (c *Client) IsRemote() bool { return c.network == "tcp" }

// Running reports whether a supervisor answers on the socket.
func (c *Client) Running(ctx context.Context) bool {
	_, err := c.State(ctx)
	return err == nil
}

// State returns the state of the project and of every service.
func (c *Client) State(ctx context.Context) (*control.State, error) {
	var s control.State
	if err := c.call(ctx, http.MethodGet, "/v1/state", nil, &s); err != nil {
		return &s, err
	}
	return &s, understood(&s)
}

// understood refuses a state of a later version than this client knows. Fields that are
// only added don't make a new one.
func understood(s *control.State) error {
	if s.Schema > control.SchemaVersion {
		return &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("the supervisor (nix2gpu %s) answers in version %d, and this client knows up to %d", s.Version, s.Schema, control.SchemaVersion),
			Hint: "use a client of the supervisor's version"}
	}
	return nil
}

// Service returns the state of one service.
func (c *Client) Service(ctx context.Context, name string) (*control.Service, error) {
	var s control.Service
	return &s, c.call(ctx, http.MethodGet, "/v1/services/"+url.PathEscape(name), nil, &s)
}

// Project returns the project that runs, with secrets masked. Raw, the supervisor gives
// it only to the user who runs it.
func (c *Client) Project(ctx context.Context, raw bool) (*project.Project, error) {
	path := "/v1/project"
	if raw {
		path += "?masked=no"
	}
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return project.Decode(resp.Body)
}

// Health reports whether the services that were asked for are as they should be, or those
// that are named.
func (c *Client) Health(ctx context.Context, services ...string) (*control.HealthReport, error) {
	var h control.HealthReport
	return &h, c.call(ctx, http.MethodGet, "/v1/health"+named(services), nil, &h)
}

// Graph returns what each service waits for before it starts.
func (c *Client) Graph(ctx context.Context, services ...string) (*control.Graph, error) {
	var g control.Graph
	return &g, c.call(ctx, http.MethodGet, "/v1/graph"+named(services), nil, &g)
}

// named is the query that names services.
func named(services []string) string {
	if len(services) == 0 {
		return ""
	}
	return "?" + url.Values{"service": services}.Encode()
}

// Usage returns what services use now. It runs nvidia-smi, which can take seconds.
func (c *Client) Usage(ctx context.Context) (*control.Usage, error) {
	var u control.Usage
	return &u, c.call(ctx, http.MethodGet, "/v1/usage", nil, &u)
}

// Start starts services, and what they depend on unless noDeps. It does not
// wait for them.
func (c *Client) Start(ctx context.Context, services []string, noDeps bool) ([]control.Service, error) {
	return c.act(ctx, "start", control.Action{Services: services, NoDeps: noDeps})
}

// StartMissing is like Start, but does not run again what has completed.
func (c *Client) StartMissing(ctx context.Context, services []string, noDeps bool) ([]control.Service, error) {
	return c.act(ctx, "start", control.Action{Services: services, NoDeps: noDeps, Missing: true})
}

// Stop tells services to stop, without waiting for them.
func (c *Client) Stop(ctx context.Context, services []string) ([]control.Service, error) {
	return c.act(ctx, "stop", control.Action{Services: services})
}

// Restart stops services that run and starts them again, without waiting.
func (c *Client) Restart(ctx context.Context, services []string) ([]control.Service, error) {
	return c.act(ctx, "restart", control.Action{Services: services})
}

// Kill sends a signal to the main processes of services. If one ends by it, its restart
// policy decides, as after any other exit.
func (c *Client) Kill(ctx context.Context, services []string, signal project.Signal) ([]control.Service, error) {
	return c.act(ctx, "kill", control.Action{Services: services, Signal: signal})
}

// Truncate removes what services have printed so far, in earlier runs too.
func (c *Client) Truncate(ctx context.Context, services []string) ([]control.Service, error) {
	return c.act(ctx, "truncate", control.Action{Services: services})
}

// ProjectState returns what process-compose's API tells of the project as a whole, with
// the supervisor's memory on request.
func (c *Client) ProjectState(ctx context.Context, memory bool) (*control.ProjectState, error) {
	var s control.ProjectState
	return &s, c.call(ctx, http.MethodGet, fmt.Sprintf("/project/state?withMemory=%t", memory), nil, &s)
}

// SendKeys types into the terminal of a service. Keys may have the escapes of
// [project.ParseTyped].
func (c *Client) SendKeys(ctx context.Context, service, keys string) error {
	body, err := json.Marshal(map[string]string{"keys": keys})
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "/process/send-keys/"+url.PathEscape(service), body, new(struct{}))
}

// Wait returns when all services meet the condition: a condition of depends_on,
// control.ForSettled or control.ForStopped. If one of them never will, the error is
// control.ErrFailed. Only for the latter two may services be empty: all of them.
func (c *Client) Wait(ctx context.Context, services []string, condition string) ([]control.Service, error) {
	return c.act(ctx, "wait", control.Action{Services: services, For: condition})
}

// WaitCopy returns how a copy that "run" has made ended, once it has.
func (c *Client) WaitCopy(ctx context.Context, name string) (*control.EndedCopy, error) {
	body, err := json.Marshal(control.Action{Services: []string{name}, For: control.ForStopped})
	if err != nil {
		return nil, err
	}
	var reply control.Reply
	if err := c.call(ctx, http.MethodPost, "/v1/wait", body, &reply); err != nil {
		return nil, err
	}
	if len(reply.Ended) != 1 {
		return nil, &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("%s is no copy", name), Hint: "\"nix2gpu ps\" lists those that run"}
	}
	return &reply.Ended[0], nil
}

// Ended tells how a copy ended that the calling process has run; without a name, that
// it runs none. A project that was begun for copies ends with the last of them.
func (c *Client) Ended(ctx context.Context, end control.EndedCopy) error {
	body, err := json.Marshal(end)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "/v1/ended", body, new(control.Reply))
}

// Down tells the supervisor to stop everything and to exit; with now, it kills at
// once. Down does not wait: the end of [Client.Events] tells when it is done.
func (c *Client) Down(ctx context.Context, now bool) error {
	_, err := c.act(ctx, "down", control.Action{Now: now})
	return err
}

// Exec returns the surroundings of a running service. From then on the calling process
// belongs to the project, and is ended with it.
func (c *Client) Exec(ctx context.Context, req control.ExecRequest) (*control.Surroundings, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	var s control.Surroundings
	return &s, c.call(ctx, http.MethodPost, "/v1/exec", body, &s)
}

// Run starts what a service depends on, waits for it, and returns what a copy of the
// service is to run. As with Exec, the calling process then belongs to the project.
func (c *Client) Run(ctx context.Context, req control.RunRequest) (*control.Copy, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	var s control.Copy
	return &s, c.call(ctx, http.MethodPost, "/v1/run", body, &s)
}

// Reload makes the supervisor run the project whose JSON is given, or with nil what its
// definition says now.
func (c *Client) Reload(ctx context.Context, project []byte) (*control.Changes, error) {
	var changes control.Changes
	return &changes, c.call(ctx, http.MethodPost, "/v1/reload", project, &changes)
}

// Scale makes the supervisor evaluate its definition again, with other numbers of
// replicas, by the name of the service.
func (c *Client) Scale(ctx context.Context, replicas map[string]int) (*control.Changes, error) {
	body, err := json.Marshal(control.ScaleRequest{Replicas: replicas})
	if err != nil {
		return nil, err
	}
	var changes control.Changes
	return &changes, c.call(ctx, http.MethodPost, "/v1/scale", body, &changes)
}

// Plan returns what Reload of the same project would do.
func (c *Client) Plan(ctx context.Context, project []byte) ([]control.Planned, error) {
	var plan []control.Planned
	err := c.call(ctx, http.MethodPost, "/v1/plan", project, &plan)
	return plan, err
}

func (c *Client) act(ctx context.Context, verb string, action control.Action) ([]control.Service, error) {
	body, err := json.Marshal(action)
	if err != nil {
		return nil, err
	}
	var reply control.Reply
	err = c.call(ctx, http.MethodPost, "/v1/"+verb, body, &reply)
	return reply.Services, err
}

// OwnUsage is Usage without GPUs; it does not run nvidia-smi.
func (c *Client) OwnUsage(ctx context.Context) (*control.Usage, error) {
	var u control.Usage
	return &u, c.call(ctx, http.MethodGet, "/v1/usage?gpus=no", nil, &u)
}

// Details returns the details of every service.
func (c *Client) Details(ctx context.Context) ([]control.Detail, error) {
	var details []control.Detail
	err := c.call(ctx, http.MethodGet, "/v1/details", nil, &details)
	return details, err
}

// Startups returns the records of service starts.
func (c *Client) Startups(ctx context.Context) (*control.Startups, error) {
	var s control.Startups
	return &s, c.call(ctx, http.MethodGet, "/v1/startup", nil, &s)
}

// Events calls each for every message of the event stream until each returns an
// error, which Events returns, or the stream ends. If the project has ended, the last
// message was an End; if the supervisor has died, the error is control.ErrNotRunning.
func (c *Client) Events(ctx context.Context, each func(control.Message) error) error {
	return c.EventsAfter(ctx, "", each)
}

// EventsAfter is Events for a reader that was cut off: it goes on behind the message with
// that id. If what came meanwhile is not known any more, the first message is a State.
func (c *Client) EventsAfter(ctx context.Context, id string, each func(control.Message) error) error {
	path := "/v1/events"
	if id != "" {
		path += "?after=" + url.QueryEscape(id)
	}
	resp, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if c.listens(ctx) {
				return &control.Error{Code: control.CodeBusy, Msg: "the supervisor closed the stream: it was not read in time", Hint: "try again"}
			}
			return &control.Error{Code: control.CodeNotRunning, Msg: "the supervisor went away",
				Hint: "start the project anew with \"nix2gpu up\", which ends what is left of it"}
		}
		var m control.Message
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("cannot read the event stream: %v", err)
		}
		if m.State != nil {
			if err := understood(m.State); err != nil {
				return err
			}
		}
		if err := each(m); err != nil {
			return err
		}
		if m.End != nil {
			return nil
		}
	}
}

// call sends a request and decodes the response into answer.
func (c *Client) call(ctx context.Context, method, path string, body []byte, answer any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil && !errors.Is(err, io.EOF) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("cannot read the supervisor's answer: %v", err)
	}
	return nil
}

// do sends a request and turns a response that carries an error into that error.
func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return c.send(req)
}

// send is do for a request that has been made.
func (c *Client) send(req *http.Request) (*http.Response, error) {
	if c.token != nil {
		token, err := c.token()
		if err != nil {
			return nil, err
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(req.Context(), err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	resp.Body.Close()
	var e control.Error
	if json.Unmarshal(text, &e) != nil || e.Code == "" {
		if resp.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(req.URL.Path, "/v1/health") { // an answer all the same
			resp.Body = io.NopCloser(bytes.NewReader(text))
			return resp, nil
		}
		return nil, &control.Error{Code: control.CodeInternal, Msg: fmt.Sprintf("the supervisor answered %s", resp.Status)}
	}
	return nil, &e
}

// listens reports whether the supervisor takes connections. A supervisor that ends closes
// the socket before it drops open connections, so a lost one tells nothing by itself.
func (c *Client) listens(ctx context.Context) bool {
	var d net.Dialer
	conn, err := d.DialContext(ctx, c.network, c.address)
	if err == nil {
		conn.Close()
	}
	return err == nil || errors.Is(err, syscall.EAGAIN)
}

// explain turns the failure to get a response into an error for the user.
func (c *Client) explain(ctx context.Context, err error) error {
	none := &control.Error{Code: control.CodeNotRunning, Msg: "nothing is running here", Hint: "start it with \"nix2gpu up\""}
	busy := &control.Error{Code: control.CodeBusy, Msg: "the supervisor is there and does not answer: too much is asked of it at once", Hint: "try again"}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if c.IsRemote() {
		return c.explainTCP(ctx, err)
	}
	// net/http has many errors for a lost connection; all but a failed dial are one.
	var op *net.OpError
	connected := !(errors.As(err, &op) && op.Op == "dial")
	switch {
	case connected && c.listens(ctx), errors.Is(err, syscall.EAGAIN):
		return busy
	case connected, errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return none
	case errors.Is(err, os.ErrPermission):
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("not permitted to open the control socket %q", c.where),
			Hint: "ask as the user who started the project, or as root"}
	}
	return fmt.Errorf("control socket %q: %v", c.where, err)
}
