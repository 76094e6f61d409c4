package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// processCompose returns the routes for clients of process-compose. The answers use its
// words for states and its field names.
func (s *Server) processCompose() map[string]handler {
	return map[string]handler{
		"GET /live":                              s.pcLive,
		"GET /processes":                         s.pcProcesses,
		"GET /process/{name...}":                 s.pcProcess,
		"GET /process/logs/{name}/{end}/{limit}": s.pcLogs,
		"GET /project/state":                     s.pcProjectState,
		"POST /project/stop":                     s.pcProjectStop,
		"POST /process/start/{name}":             s.pcAction(s.start),
		"POST /process/restart/{name}":           s.pcAction(s.restart),
		"PATCH /process/stop/{name}":             s.pcAction(s.stop),
	}
}

// A pcState is a process as process-compose describes it.
type pcState struct {
	Name       string        `json:"name"`
	Namespace  string        `json:"namespace"`
	Status     string        `json:"status"`
	SystemTime string        `json:"system_time"`
	Age        time.Duration `json:"age"`
	IsReady    string        `json:"is_ready"`
	HasProbe   bool          `json:"has_ready_probe"`
	Restarts   int           `json:"restarts"`
	ExitCode   int           `json:"exit_code"`
	PID        int           `json:"pid"`
	IsRunning  bool          `json:"is_running"`
}

// pcStatus returns process-compose's word for the state of a service.
func pcStatus(st control.Service) string {
	switch st.State {
	case control.Waiting:
		return "Pending"
	case control.Init, control.Starting, control.Setup:
		return "Launching"
	case control.Running, control.Unready:
		return "Running"
	case control.Backoff, control.Restarting, control.Ending:
		return "Restarting"
	case control.Stopping:
		return "Terminating"
	case control.Completed, control.Stopped:
		if st.Disabled && st.Starts == 0 {
			return "Disabled"
		}
		return "Completed"
	case control.Failed:
		return "Error"
	case control.Skipped:
		return "Skipped"
	case control.Scheduled:
		return "Scheduled"
	}
	return string(st.State)
}

func pcStateOf(st control.Service, now time.Time) pcState {
	out := pcState{
		Name: st.Label, Namespace: st.Namespace, Status: pcStatus(st), IsReady: "-",
		HasProbe: st.Health != "", Restarts: st.Restarts, PID: st.PID,
		IsRunning: st.State.Live(),
	}
	if out.Namespace == "" {
		out.Namespace = "default"
	}
	if st.Health != "" {
		out.IsReady = "Not Ready"
		if st.State == control.Running {
			out.IsReady = "Ready"
		}
	}
	if st.Exit != nil {
		out.ExitCode = st.Exit.Code
	}
	if out.IsRunning && !st.Started.IsZero() {
		out.Age = now.Sub(st.Started)
		out.SystemTime = out.Age.Round(time.Second).String()
	}
	return out
}

func (s *Server) pcLive(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

func (s *Server) pcProcesses(w http.ResponseWriter, _ *http.Request) error {
	snap := s.opts.Engine.Snapshot()
	list := make([]pcState, len(snap.Services))
	for i, st := range snap.Services {
		list[i] = pcStateOf(st, snap.At)
	}
	writeJSON(w, http.StatusOK, map[string]any{"data": list})
	return nil
}

func (s *Server) pcProcess(w http.ResponseWriter, r *http.Request) error {
	ids, err := s.resolve(r.Context(), []string{r.PathValue("name")})
	if err != nil {
		return err
	}
	snap := s.opts.Engine.Snapshot()
	for _, st := range snap.Services {
		if st.ID == ids[0] {
			writeJSON(w, http.StatusOK, pcStateOf(st, snap.At))
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
	query := servicelog.Query{Since: s.opts.Engine.Snapshot().Since, Until: time.Now()}
	if limit > 0 {
		query.Tail = limit + end
	}
	for _, id := range p.Services[ids[0]].ProcessIDs() {
		query.Sources = append(query.Sources, string(id))
	}
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

func (s *Server) pcProjectState(w http.ResponseWriter, _ *http.Request) error {
	snap := s.opts.Engine.Snapshot()
	running := 0
	for _, st := range snap.Services {
		if st.State.Live() {
			running++
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"projectName":       snap.Project,
		"version":           s.opts.Version,
		"startTime":         snap.Since,
		"upTime":            snap.At.Sub(snap.Since),
		"processNum":        len(snap.Services),
		"runningProcessNum": running,
		"fileNames":         []string{s.opts.Definition},
	})
	return nil
}

func (s *Server) pcProjectStop(w http.ResponseWriter, _ *http.Request) error {
	s.opts.Engine.Down()
	writeJSON(w, http.StatusOK, map[string]string{"status": "stopped"})
	return nil
}

func (s *Server) pcAction(do func(context.Context, []project.ID, control.Action) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		name := r.PathValue("name")
		ids, err := s.resolve(r.Context(), []string{name})
		if err != nil {
			return err
		}
		if err := do(r.Context(), ids, control.Action{}); err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, map[string]string{"name": name})
		return nil
	}
}
