package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
	"nix2gpu/supervisor"
)

// Options says what is served. Engine, Resolve and Reload are required. The functions
// are called from many goroutines.
type Options struct {
	Engine Engine
	// Resolve turns the names that a user typed into services.
	Resolve func(p *project.Project, names []string) ([]project.ID, error)
	// Logs, when set, are what services have printed.
	Logs *servicelog.Reader
	// Truncate, when set, removes what a process has printed so far.
	Truncate func(source string) error
	// Reload checks a project before the engine takes it: it must be valid, and
	// able to run here.
	Reload func(ctx context.Context, p *project.Project) (project.Valid, error)

	// Evaluate, when set, evaluates the definition again, with other numbers of replicas of
	// services than run now.
	Evaluate func(ctx context.Context, replicas map[string]int) (project.Valid, error)

	// Usage, when set, measures what services use; without gpus it does not run
	// nvidia-smi.
	Usage func(ctx context.Context, gpus bool) (control.Usage, error)
	// Measure, when set, measures what metrics need beside what the engine knows.
	Measure func(ctx context.Context, counts []supervisor.Counts) (Reading, error)
	// Exec, when set, looks up the surroundings of a service's main process, for a
	// command that the process pid becomes.
	Exec func(ctx context.Context, id project.ID, req control.ExecRequest, pid int) (*control.Surroundings, error)
	// Run, when set, starts what a service depends on, waits for it, and looks up what
	// a copy of the service is to run; the process pid becomes that copy. An empty id
	// asks for a command in the container's own environment.
	Run    func(ctx context.Context, id project.ID, req control.RunRequest, pid int) (*control.Copy, error)
	Copies Copies // may be nil
	// Attach, when set, prepares to connect a terminal with that of a service. What it
	// returns does so, and lasts as long as they are connected.
	Attach func(ctx context.Context, id project.ID, req control.AttachRequest) (func(io.ReadWriter), error)
	// Type, when set, types into the terminal of a service.
	Type func(ctx context.Context, id project.ID, keys []byte) error
	// Degraded, when set, is what the supervisor can't do at present.
	Degraded func() []control.Degraded
	// Wire, when set, is the form in which process-compose's clients describe processes.
	Wire Wire
	// Confined, when set, reports whether a process is in a sandbox, or has ended. A pidfd
	// of -1 is none.
	Confined func(pid, pidfd int) bool
	// OutOfMemory, when set, is what was killed in the container for lack of memory.
	OutOfMemory func() *control.OutOfMemory

	Root       string // the definition's folder
	Definition string // what was asked to run, "./flake.nix#web"
	Given      *control.Given
	Files      []string     // of a definition that is several files
	Version    string       // of nix2gpu
	PID        int          // of the supervisor; 0: of this process
	Log        *slog.Logger // nil: discard
}

// A Server answers for one engine. Its methods may be called from any goroutine.
type Server struct {
	opts       Options
	http       *http.Server
	bodyTime   time.Duration // within which the body of a request must arrive
	headerTime time.Duration // the same for the header
	tokenTime  time.Duration // between looks at the token of a request that goes on

	mu     sync.Mutex
	closed bool
	others []*http.Server // those of ServeTCP
	end    *control.End   // set before ended is closed
	all    chan struct{}  // closed by End

	updating sync.Mutex     // held from the question for the project to the reload of what was made of it
	attached sync.WaitGroup // connections that are terminals
}

// The limits on what a client may send, in bytes, and on how long it may take: no
// client may cost the supervisor much memory, or a connection for ever.
const (
	maxBody    = 1 << 20
	maxProject = 64 << 20 // the body of a reload, which holds the content of files
	maxHeader  = 16 << 10
	headerTime = 5 * time.Second
	bodyTime   = 5 * time.Second
	tokenTime  = 5 * time.Second
	// writeTime is how long a client may leave a message unread before it is dropped.
	writeTime = 10 * time.Second
)

// New returns a server; Serve makes it answer.
func New(opts Options) *Server {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.PID == 0 {
		opts.PID = os.Getpid()
	}
	s := &Server{opts: opts, bodyTime: bodyTime, headerTime: headerTime, tokenTime: tokenTime, all: make(chan struct{})}
	s.http = s.httpServer(s.handler())
	return s
}

// httpServer is a server with our limits.
func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ConnContext:       s.withPeer,
		ReadHeaderTimeout: s.headerTime,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelDebug),
	}
}

// Serve answers on l until Close, which makes it return nil. It closes l.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(&limited{Listener: l, conns: maxConns, streams: maxFollowers})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// End tells the followers of events how the project ended. Call it once,
// before Close.
func (s *Server) End(end control.End) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end = &end
	close(s.all)
}

// Close lets requests in flight finish for half a second, then drops all connections.
func (s *Server) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	s.mu.Lock()
	s.closed = true
	all := append(s.others, s.http)
	s.mu.Unlock()
	var closing sync.WaitGroup
	for _, h := range all {
		closing.Go(func() {
			if h.Shutdown(ctx) != nil {
				h.Close()
			}
		})
	}
	closing.Wait()
	detached := make(chan struct{}) // Shutdown does not know of them
	go func() {
		s.attached.Wait()
		close(detached)
	}()
	select {
	case <-detached:
	case <-ctx.Done():
	}
}

// handler is the route table behind the check of who asks.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		mux.Handle(route.Method+" "+route.Path, s.guard(route.Access, s.routed(&route)))
	}
	for _, route := range s.processCompose() {
		mux.Handle(route.pattern, s.guard(route.access, route.serve))
	}
	return s.bounded(untrailed(known(mux)))
}

// known answers a request that has no route as other errors are answered: the mux answers
// in plain text.
func known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		plain := &plainAnswer{header: w.Header()}
		h.ServeHTTP(plain, r)
		e := &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("there is no %q here", r.URL.Path), Hint: "docs/reference/api.md lists the requests"}
		switch plain.status {
		case http.StatusNotFound:
		case http.StatusMethodNotAllowed:
			e.Code, e.Msg, e.Hint = control.CodeInvalid, fmt.Sprintf("%s does not take %s", r.URL.Path, r.Method), "it takes "+w.Header().Get("Allow")
		default: // another path means the same
			w.WriteHeader(plain.status)
			return
		}
		writeJSON(w, plain.status, e)
	})
}

// A plainAnswer takes the status and the header of an answer, and drops its text.
type plainAnswer struct {
	header http.Header
	status int
}

func (p *plainAnswer) Header() http.Header         { return p.header }
func (p *plainAnswer) WriteHeader(status int)      { p.status = status }
func (p *plainAnswer) Write(b []byte) (int, error) { return len(b), nil }

// routed is the handler of a route, with its parameters checked.
func (s *Server) routed(route *Route) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		params, err := route.parameters(r)
		if err != nil {
			return err
		}
		return route.serve(s, w, r.WithContext(context.WithValue(r.Context(), paramsKey{}, params)))
	}
}

// bounded gives the body of a request its time.
func (s *Server) bounded(h http.Handler) http.Handler {
	// The deadline is set before any handler runs: net/http reads the body to its end
	// even if no handler does.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.bodyTime))
		}
		h.ServeHTTP(w, r)
	})
}

// paramsKey is where the context of a request holds its parameters.
type paramsKey struct{}

// paramsOf are the parameters of a request.
func paramsOf(r *http.Request) query {
	q, _ := r.Context().Value(paramsKey{}).(query)
	return q
}

// A handler answers a request, or returns why it can't.
type handler func(w http.ResponseWriter, r *http.Request) error

// guard refuses strangers on the socket, and turns errors into answers.
func (s *Server) guard(access Access, h handler) http.Handler {
	return s.answering(s.audited(access, func(w http.ResponseWriter, r *http.Request) error {
		if err := refused(r); err != nil {
			return err
		}
		return h(w, r)
	}))
}

// answering turns errors into answers.
func (s *Server) answering(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		if err == nil {
			return
		}
		e := wireError(err)
		kind, _ := control.KindOf(e)
		writeJSON(w, kind.HTTP, e)
	})
}

// wireError returns err as it is sent: its message, with the code and hint that it
// wraps. An error without a code is a defect of ours, CodeInternal.
func wireError(err error) *control.Error {
	kind, ok := control.KindOf(err)
	e := &control.Error{Code: kind.Code, Msg: err.Error()}
	var wire *control.Error
	switch {
	case errors.As(err, &wire):
		e.Hint = wire.Hint
	case !ok && errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Msg, e.Hint = control.CodeTimeout, "timed out", "\"nix2gpu ps\" says what each service waits for"
	}
	return e
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // fails only if the client has gone, and then nobody wants the error
}

func (s *Server) getState(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, s.state(r.Context(), s.opts.Engine.Snapshot()))
	return nil
}

func (s *Server) getUsage(w http.ResponseWriter, r *http.Request) error {
	var usage control.Usage
	gpus, err := paramsOf(r).on("gpus", true)
	if err != nil {
		return err
	}
	if s.opts.Usage != nil {
		if usage, err = s.opts.Usage(r.Context(), gpus); err != nil {
			return err
		}
		for i := range usage.Services {
			for j := range usage.Services[i].Processes {
				if overTCP(r.Context()) { // arguments can hold what only the socket may tell
					usage.Services[i].Processes[j].Command = ""
				}
			}
		}
	}
	writeJSON(w, http.StatusOK, usage)
	return nil
}

// getHealth answers for a load balancer: the status alone tells.
func (s *Server) getHealth(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.resolve(r.Context(), paramsOf(r).list("service"))
	if err != nil {
		return err
	}
	snap := s.opts.Engine.Snapshot()
	report := control.HealthReport{Healthy: snap.Healthy, Settled: snap.Settled, Phase: snap.Phase, Summary: snap.Summary}
	for _, svc := range snap.Services {
		asked := svc.Wanted && !svc.System
		if len(ids) > 0 {
			asked = slices.Contains(ids, svc.ID)
		}
		if asked && !svc.Healthy() {
			report.Unhealthy = append(report.Unhealthy, svc)
		}
	}
	if len(ids) > 0 {
		report.Healthy, report.Summary = len(report.Unhealthy) == 0, ""
	}
	status := http.StatusOK
	if !report.Healthy {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, report)
	return nil
}

func (s *Server) getServices(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.resolve(r.Context(), paramsOf(r).list("service"))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, s.pick(ids))
	return nil
}

func (s *Server) getService(w http.ResponseWriter, r *http.Request) error {
	id, err := s.resolveOne(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	picked := s.pick([]project.ID{id})
	if len(picked) == 0 { // a reload has removed it just now
		return &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no service %q", id), Hint: "GET /v1/services lists them"}
	}
	writeJSON(w, http.StatusOK, picked[0])
	return nil
}

func (s *Server) getGraph(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.resolve(r.Context(), paramsOf(r).list("service"))
	if err != nil {
		return err
	}
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	states := map[project.ID]control.ServiceState{}
	for _, svc := range s.opts.Engine.Snapshot().Services {
		states[svc.ID] = svc.State
	}
	writeJSON(w, http.StatusOK, control.NewGraph(p, ids, states))
	return nil
}

// getProject answers with the project. As it is, only its owner gets it: not even root,
// who could read it in other ways, gets secrets by a slip.
func (s *Server) getProject(w http.ResponseWriter, r *http.Request) error {
	masked, err := paramsOf(r).on("masked", true)
	if err != nil {
		return err
	}
	if !masked && !isOwner(r) {
		return &control.Error{Code: control.CodeForbidden, Msg: "only the user who runs the project may read it unmasked", Hint: "ask as that user, through the control socket"}
	}
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	if !masked {
		about(r, "secrets", "shown")
	} else {
		p = p.Masked()
	}
	writeJSON(w, http.StatusOK, p)
	return nil
}

func (s *Server) getDetails(w http.ResponseWriter, r *http.Request) error {
	details, err := s.opts.Engine.Details(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, details)
	return nil
}

func (s *Server) getStartup(w http.ResponseWriter, r *http.Request) error {
	startups, err := s.opts.Engine.Startups(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, startups)
	return nil
}

// acts decodes the body and resolves its names before it calls do, and answers with
// what became of the services.
func acts(do func(s *Server, ctx context.Context, ids []project.ID, a control.Action) error) func(*Server, http.ResponseWriter, *http.Request) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request) error {
		var a control.Action
		if err := s.decode(w, r, maxBody, &a); err != nil {
			return err
		}
		verb := path.Base(r.URL.Path)
		copies := s.copiesOf(verb, &a)
		ids, err := s.resolve(r.Context(), a.Services)
		if err != nil {
			return err
		}
		switch verb {
		case "stop", "restart", "kill", "truncate": // to forget the names must not stop everything
			if len(ids)+len(copies) == 0 {
				return &control.Error{Code: control.CodeInvalid, Msg: verb + " needs the name of a service"}
			}
		}
		about(r, "services", names(slices.Concat(a.Services, copies)))
		if a.Signal != 0 {
			about(r, "signal", a.Signal)
		}
		if err := s.tell(verb, copies, a.Signal); err != nil {
			return err
		}
		ended, err := s.awaitCopies(r.Context(), verb, copies, a.For)
		if err != nil {
			return err
		}
		if len(ids) == 0 && len(copies) > 0 { // do would take that for all services
			writeJSON(w, http.StatusOK, control.Reply{Services: []control.Service{}, Copies: copies, Ended: ended})
			return nil
		}
		if err := do(s, r.Context(), ids, a); err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, control.Reply{Services: s.pick(ids), Copies: copies, Ended: ended})
		return nil
	}
}

func (s *Server) decode(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	data, err := s.body(w, r, limit)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	switch err := dec.Decode(v); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return &control.Error{Code: control.CodeInvalid, Msg: "the body of the request ends in the middle of its JSON", Hint: "send all of it; Content-Length must be that of the body"}
	case err != nil && !errors.Is(err, io.EOF):
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("body: %v", err), Hint: "docs/reference/api.md has what each request takes"}
	}
	return nil
}

// body reads the whole body of a request, which must arrive before the deadline that
// handler has set. Then it removes the deadline, which would end a long request too.
func (s *Server) body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	switch {
	case err == nil:
		http.NewResponseController(w).SetReadDeadline(time.Time{})
		return data, nil
	case connOf(r.Context()).evicted():
		return nil, evictedError(connOf(r.Context()).of.conns)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &control.Error{Code: control.CodeTimeout, Msg: fmt.Sprintf("the body of the request did not come within %v", s.bodyTime),
			Hint: "send it at once"}
	}
	return nil, &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("body: %v", err)}
}

func (s *Server) resolve(ctx context.Context, names []string) ([]project.ID, error) {
	if len(names) == 0 {
		return nil, nil
	}
	p, err := s.opts.Engine.Project(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := s.opts.Resolve(p, names)
	if err != nil {
		msg, hint, _ := strings.Cut(err.Error(), "\n  hint: ")
		return nil, &control.Error{Code: control.CodeNotFound, Msg: msg, Hint: hint}
	}
	return ids, nil
}

// pick returns the present state of the services; of all without ids.
func (s *Server) pick(ids []project.ID) []control.Service {
	wanted := map[project.ID]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	out := []control.Service{}
	for _, st := range s.opts.Engine.Snapshot().Services {
		if len(ids) == 0 || wanted[st.ID] {
			out = append(out, st)
		}
	}
	return out
}

func (s *Server) start(ctx context.Context, ids []project.ID, a control.Action) error {
	_, err := s.opts.Engine.Start(ctx, ids, supervisor.StartOptions{NoDeps: a.NoDeps, Missing: a.Missing})
	return err
}

func (s *Server) stop(ctx context.Context, ids []project.ID, _ control.Action) error {
	return s.opts.Engine.Stop(ctx, ids)
}

func (s *Server) restart(ctx context.Context, ids []project.ID, _ control.Action) error {
	return s.opts.Engine.Restart(ctx, ids)
}

func (s *Server) kill(ctx context.Context, ids []project.ID, a control.Action) error {
	if a.Signal == 0 {
		return &control.Error{Code: control.CodeInvalid, Msg: "signal must be set"}
	}
	return s.opts.Engine.Kill(ctx, ids, a.Signal)
}

// wait answers when all of the services meet what is waited for, or as soon as one of
// them never will.
func (s *Server) wait(ctx context.Context, ids []project.ID, a control.Action) error {
	done, err := connOf(ctx).follow()
	if err != nil {
		return err
	}
	defer done()
	switch a.For {
	case "", control.ForSettled:
		_, err := s.opts.Engine.Settled(ctx, ids)
		return err
	case control.ForStopped:
		return s.opts.Engine.Stopped(ctx, ids)
	}
	cond, err := project.ParseCondition(a.For)
	if err != nil {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("for %v", err)}
	}
	if len(ids) == 0 {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("wait for %s needs the name of a service", cond)}
	}
	// All at once: one that can never meet the condition ends the wait for the others.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(ids))
	for _, id := range ids {
		go func() { results <- s.opts.Engine.Wait(ctx, id, cond) }()
	}
	for range ids {
		if err := <-results; err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) down(_ context.Context, _ []project.ID, a control.Action) error {
	if a.Now {
		s.opts.Engine.DownNow()
	} else {
		s.opts.Engine.Down()
	}
	return nil
}

// exec answers with what the calling process needs to become a command of a service.
func (s *Server) exec(w http.ResponseWriter, r *http.Request) error {
	var req control.ExecRequest
	if err := s.decode(w, r, maxBody, &req); err != nil {
		return err
	}
	if s.opts.Exec == nil || req.Service == "" {
		return &control.Error{Code: control.CodeInvalid, Msg: "exec needs the name of a service"}
	}
	id, err := s.resolveOne(r.Context(), req.Service)
	if err != nil {
		return err
	}
	surroundings, err := s.opts.Exec(r.Context(), id, req, client(r, id))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, surroundings)
	return nil
}

// resolveOne resolves a name that must mean exactly one service.
func (s *Server) resolveOne(ctx context.Context, name string) (project.ID, error) {
	ids, err := s.resolve(ctx, []string{name})
	if err != nil {
		return "", err
	}
	if len(ids) != 1 {
		return "", &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("%q means %d services", name, len(ids)), Hint: "name one of them"}
	}
	return ids[0], nil
}

// client returns the pid of the client, which asks for a command of a service.
func client(r *http.Request, id project.ID) int {
	about(r, "services", id)
	return int(peerOf(r).Pid) // present, since guard let the request in
}

// project decodes and checks the project that is the body of a request.
func (s *Server) project(w http.ResponseWriter, r *http.Request) (valid project.Valid, err error) {
	data, err := s.body(w, r, maxProject)
	if err != nil {
		return valid, err
	}
	p, err := project.Decode(bytes.NewReader(data))
	if err != nil {
		return valid, &control.Error{Code: control.CodeInvalid, Msg: err.Error()}
	}
	return s.opts.Reload(r.Context(), p)
}

// plan answers what a reload would do.
func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	valid, err := s.project(w, r)
	if err != nil {
		return err
	}
	plan, err := s.opts.Engine.Plan(r.Context(), valid)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, plan)
	return nil
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) error {
	body := bufio.NewReader(r.Body)
	if _, err := body.Peek(1); err == io.EOF {
		return s.again(w, r, nil)
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	valid, err := s.project(w, r)
	if err != nil {
		return err
	}
	done, err := s.opts.Engine.Reload(r.Context(), valid)
	if err != nil {
		return err
	}
	writeChanges(w, done)
	return nil
}

// scale evaluates the definition with other numbers of replicas.
func (s *Server) scale(w http.ResponseWriter, r *http.Request) error {
	var req control.ScaleRequest
	if err := s.decode(w, r, maxBody, &req); err != nil {
		return err
	}
	if len(req.Replicas) == 0 {
		return &control.Error{Code: control.CodeInvalid, Msg: "scale needs the name of a service and a number", Hint: `{"replicas": {"worker": 3}}`}
	}
	for name, n := range req.Replicas {
		if n < 0 || n > control.MaxReplicas {
			return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("the number of replicas of %q must be from 0 to %d, not %d", name, control.MaxReplicas, n)}
		}
	}
	return s.again(w, r, req.Replicas)
}

// again reloads what the definition says now.
func (s *Server) again(w http.ResponseWriter, r *http.Request, replicas map[string]int) error {
	reloaded, err := s.evaluated(r, replicas)
	if err != nil {
		return err
	}
	writeChanges(w, reloaded)
	return nil
}

// evaluated is again without an answer.
func (s *Server) evaluated(r *http.Request, replicas map[string]int) (none supervisor.Reloaded, err error) {
	if s.opts.Evaluate == nil {
		return none, &control.Error{Code: control.CodeConflict, Msg: "not supported: the definition cannot be evaluated again here"}
	}
	done, err := connOf(r.Context()).follow() // an evaluation takes its time
	if err != nil {
		return none, err
	}
	defer done()
	if replicas != nil {
		about(r, "replicas", replicas)
	}
	valid, err := s.opts.Evaluate(r.Context(), replicas)
	if err != nil {
		return none, err
	}
	return s.opts.Engine.Reload(r.Context(), valid)
}

func writeChanges(w http.ResponseWriter, done supervisor.Reloaded) {
	writeJSON(w, http.StatusOK, control.Changes{
		Added: labelsOf(done, done.Added), Removed: labelsOf(done, done.Removed), Changed: labelsOf(done, done.Changed), Plan: done.Plan,
	})
}
