package server

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/servicelog"
)

// A pcRoute is a request of process-compose's API, as its document src/docs/swagger.json
// (of 1.122.0) lists them; GET /process/logs/ws and /process/states/ws are websockets.
type pcRoute struct {
	pattern string // as http.ServeMux has it
	access  Access
	serve   handler
}

// processCompose returns the routes for clients of process-compose. The answers use its
// words for states and its field names.
func (s *Server) processCompose() []pcRoute {
	return []pcRoute{
		{"GET /live", AccessRead, s.pcLive},
		{"GET /processes", AccessRead, s.pcProcesses},
		{"GET /process/{name...}", AccessRead, s.pcProcess},
		{"GET /process/ports/{name}", AccessRead, s.pcPorts},
		{"GET /process/logs/{name}/{end}/{limit}", AccessRead, s.pcLogs},
		{"GET /process/logs/ws", AccessRead, s.pcLogStream},
		{"GET /process/states/ws", AccessRead, s.pcStateStream},
		{"GET /process/info/{name}", AccessDefinition, s.pcInfo},
		{"DELETE /process/logs/{name}", AccessTruncate, s.pcTruncate},
		{"POST /process/start/{name}", AccessAct, s.pcAction(s.start)},
		{"POST /process/restart/{name}", AccessAct, s.pcAction(s.restart)},
		{"PATCH /process/stop/{name}", AccessAct, s.pcAction(s.stop)},
		{"PATCH /processes/stop", AccessAct, s.pcStopAll},
		{"PATCH /process/signal/{name}/{signal}", AccessKill, s.pcSignal},
		{"PATCH /process/scale/{name}/{scale}", AccessScale, s.pcScale},
		{"POST /process/send-keys/{name}", AccessLocal, s.pcSendKeys},
		{"POST /process", AccessReload, s.pcUpdateProcess},
		{"GET /project/name", AccessRead, s.pcProjectName},
		{"GET /project/state", AccessRead, s.pcProjectState},
		{"POST /project/stop", AccessDown, s.pcProjectStop},
		{"POST /project/configuration", AccessReload, s.pcReload},
		{"POST /project", AccessReload, s.pcUpdateProject},
		{"GET /namespaces", AccessRead, s.pcNamespaces},
		{"POST /namespace/start/{name}", AccessAct, s.pcNamespace(s.start)},
		{"POST /namespace/stop/{name}", AccessAct, s.pcNamespace(s.stop)},
		{"POST /namespace/restart/{name}", AccessAct, s.pcNamespace(s.restart)},
		{"GET /graph", AccessRead, s.pcGraph},
	}
}

// untrailed takes a slash from the end of a path of process-compose's, whose own client
// puts one there (POST /project/stop/, GET /project/state/?withMemory=true).
func untrailed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if len(path) > 1 && strings.HasSuffix(path, "/") && slices.Contains([]string{"live", "process", "processes", "project", "namespace", "namespaces", "graph"}, first) {
			u := *r.URL
			u.Path, u.RawPath = strings.TrimSuffix(path, "/"), strings.TrimSuffix(u.RawPath, "/")
			r = r.WithContext(r.Context()) // a copy, which may be changed
			r.URL = &u
		}
		h.ServeHTTP(w, r)
	})
}

func (s *Server) pcLive(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

func (s *Server) pcProcesses(w http.ResponseWriter, r *http.Request) error {
	snap := s.opts.Engine.Snapshot()
	used := s.used(r.Context())
	list := make([]control.ProcessState, 0, len(snap.Services))
	for i := range snap.Services {
		if !snap.Services[i].NeverRan() {
			list = append(list, control.NewProcessState(&snap.Services[i], snap.At, used[snap.Services[i].ID]))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": list})
	return nil
}

func (s *Server) pcProcess(w http.ResponseWriter, r *http.Request) error {
	id, err := s.resolveOne(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	snap := s.opts.Engine.Snapshot()
	for i := range snap.Services {
		if st := &snap.Services[i]; st.ID == id {
			writeJSON(w, http.StatusOK, control.NewProcessState(st, snap.At, s.used(r.Context())[id]))
			return nil
		}
	}
	return &control.Error{Code: control.CodeNotFound, Msg: fmt.Sprintf("no process %q", r.PathValue("name")), Hint: "GET /processes lists them"}
}

// maxLogLines keeps the sum of offset and limit from overflowing. It protects no
// memory: an answer is streamed.
const maxLogLines = 1 << 30

// pcLogs answers with the lines of a service without the last "end" ones, and of these
// the last "limit" (0: all). It reads the log twice, since it must count the lines
// first and must not hold them.
func (s *Server) pcLogs(w http.ResponseWriter, r *http.Request) error {
	end, err1 := strconv.Atoi(r.PathValue("end"))
	limit, err2 := strconv.Atoi(r.PathValue("limit"))
	if err1 != nil || err2 != nil || min(end, limit) < 0 || max(end, limit) > maxLogLines {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("offset and limit must be numbers from 0 to %d", maxLogLines)}
	}
	ids, err := s.resolve(r.Context(), []string{r.PathValue("name")})
	if err != nil {
		return err
	}
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	// The end of the query makes both passes see the same lines.
	query := servicelog.Query{Since: s.began(), Until: time.Now()}
	if limit > 0 {
		query.Tail = limit + end
	}
	query.Sources = sourcesOf(p, ids[:1])
	out := &logStream{w: w, to: http.NewResponseController(w), buf: []byte(`{"logs":[`)}
	total := 0
	if s.opts.Logs != nil {
		for _, err := range s.opts.Logs.Records(r.Context(), query) {
			if err != nil {
				return err
			}
			total++
		}
		first, i := 0, 0
		if limit > 0 {
			first = max(0, total-end-limit)
		}
		for rec, err := range s.opts.Logs.Records(r.Context(), query) {
			if i++; i > total-end {
				break
			}
			if err == nil && i > first {
				err = out.line(rec.Message)
			}
			if err != nil {
				panic(http.ErrAbortHandler) // part of the answer is sent: only a broken one can tell
			}
		}
	}
	out.buf = append(out.buf, "]}\n"...)
	out.flush()
	return nil
}

// A logStream writes lines as a JSON list, and holds no more than a block of it.
type logStream struct {
	w     http.ResponseWriter
	to    *http.ResponseController
	buf   []byte
	lines bool // there was at least one
}

func (o *logStream) line(message []byte) error {
	if o.lines {
		o.buf = append(o.buf, ',')
	}
	o.lines = true
	text, err := json.Marshal(strings.ToValidUTF8(string(message), "\uFFFD"))
	if err != nil {
		return err
	}
	if o.buf = append(o.buf, text...); len(o.buf) < 32<<10 {
		return nil
	}
	return o.flush()
}

func (o *logStream) flush() error {
	o.to.SetWriteDeadline(time.Now().Add(writeTime))
	o.w.Header().Set("Content-Type", "application/json")
	_, err := o.w.Write(o.buf)
	o.buf = o.buf[:0]
	return err
}

func (s *Server) pcProjectState(w http.ResponseWriter, r *http.Request) error {
	snap := s.opts.Engine.Snapshot()
	all, running := 0, 0
	for i := range snap.Services {
		if st := &snap.Services[i]; !st.NeverRan() {
			all++
			if st.State.Live() {
				running++
			}
		}
	}
	answer := control.ProjectState{
		Project: snap.Project, Version: s.opts.Version, User: userName(), Started: snap.Since, UpTime: snap.At.Sub(snap.Since),
		Processes: all, Running: running, Files: s.opts.Files,
	}
	if len(answer.Files) == 0 {
		answer.Files = []string{s.opts.Definition}
	}
	if with, err := strconv.ParseBool(r.URL.Query().Get("withMemory")); err == nil && with {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		answer.Memory = &control.MemoryState{Allocated: m.Alloc >> 20, Total: m.TotalAlloc >> 20, System: m.Sys >> 20, Cycles: m.NumGC}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// userName is who runs the project; a number if nobody is known by it.
func userName() string {
	id := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), id)
}

func (s *Server) pcProjectStop(w http.ResponseWriter, r *http.Request) error {
	s.opts.Engine.Down()
	writeJSON(w, http.StatusOK, map[string]string{"status": "stopped"})
	return nil
}
