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

// A pcLogMessage is a line as process-compose sends it (src/api/types.go, LogMessage).
type pcLogMessage struct {
	Message string `json:"message"`
	Process string `json:"process_name"`
}

// A pcStateEvent is a change of a process, or at first what it is.
type pcStateEvent struct {
	Snapshot bool                 `json:"snapshot,omitempty"`
	State    control.ProcessState `json:"state"`
}

// stream makes a websocket of a request, one of those that may take for ever, and calls
// send until it returns or the client has gone. It then closes the websocket.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, send func(ctx context.Context, ws *websocket) error) error {
	done, err := connOf(r.Context()).follow()
	if err != nil {
		return err
	}
	defer done()
	s.attached.Add(1)
	defer s.attached.Done()
	ws, err := accept(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context())) // net/http ends that of a connection that it has given away
	defer cancel()
	go func() {
		select {
		case <-ws.gone:
		case <-ws.over:
		case <-ctx.Done():
		}
		cancel()
	}()
	_ = send(ctx, ws) // the answer has begun: an error only ends it
	ws.close(closeNormal)
	return nil
}

func sendJSON(ws *websocket, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return ws.send(text)
}

// pcNames parts the names in a query.
func (s *Server) pcNames(text string) []string {
	var known []string
	for _, st := range s.opts.Engine.Snapshot().Services {
		known = append(known, st.Label)
	}
	return control.SplitNames(text, known)
}

// pcLogStream sends lines of processes: the last "offset" of each, and with "follow" those
// to come. 0, or more than there are, is all.
func (s *Server) pcLogStream(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	offset, err := strconv.ParseInt(q.Get("offset"), 10, 64) // its client sends the largest one for all
	if err != nil {
		return &control.Error{Code: control.CodeInvalid, Msg: fmt.Sprintf("offset must be a number of lines, not %q", q.Get("offset"))}
	}
	names := s.pcNames(q.Get("name"))
	if len(names) == 0 {
		return &control.Error{Code: control.CodeInvalid, Msg: "name must be that of a process, or several with commas", Hint: "GET /processes lists them"}
	}
	ids, err := s.resolve(r.Context(), names)
	if err != nil {
		return err
	}
	p, err := s.opts.Engine.Project(r.Context())
	if err != nil {
		return err
	}
	query := servicelog.Query{Since: s.began(), Follow: q.Get("follow") == "true"}
	if offset > 0 && offset <= maxLogLines {
		query.Tail = int(offset)
	}
	if query.Follow {
		query.Over = s.all
	}
	labels := map[string]string{}
	for _, id := range p.AllRuns(ids) {
		if p.Services[id] == nil {
			continue
		}
		for _, source := range p.Services[id].ProcessIDs() {
			query.Sources = append(query.Sources, string(source))
			labels[string(source)] = p.Services[id].Label
		}
	}
	return s.stream(w, r, func(ctx context.Context, ws *websocket) error {
		if s.opts.Logs == nil {
			return nil
		}
		var cut []byte // of a line that goes on
		for rec, err := range s.opts.Logs.Records(ctx, query) {
			if err != nil {
				return err
			}
			cut = append(cut, rec.Message...)
			if rec.Partial() && len(cut) < maxBody {
				continue
			}
			line := pcLogMessage{strings.ToValidUTF8(string(cut), "\uFFFD"), labels[rec.Source]}
			cut = cut[:0]
			if err := sendJSON(ws, line); err != nil {
				return err
			}
		}
		return nil
	})
}

// pcStateStream sends the state of processes, and then each change. A name that nobody has
// is no error, as there.
func (s *Server) pcStateStream(w http.ResponseWriter, r *http.Request) error {
	only := map[string]bool{}
	for _, name := range s.pcNames(r.URL.Query().Get("name")) {
		only[name] = true
	}
	wanted := func(st *control.Service) bool {
		return !st.NeverRan() && (len(only) == 0 || only[st.Label] || only[string(st.ID)] || only[string(st.RunOf)])
	}
	return s.stream(w, r, func(ctx context.Context, ws *websocket) error {
		sub, err := s.opts.Engine.Subscribe(ctx, 0)
		if err != nil {
			return err
		}
		defer sub.Cancel()
		last := map[project.ID]string{}
		services := sub.Snapshot.Services
		for i := range services {
			st := control.NewProcessState(&services[i], sub.Snapshot.At, nil)
			if last[services[i].ID] = told(st); wanted(&services[i]) {
				if err := sendJSON(ws, pcStateEvent{true, st}); err != nil {
					return err
				}
			}
		}
		for {
			select {
			case ev, ok := <-sub.Events:
				if !ok {
					return nil // the project has ended
				}
				st := control.NewProcessState(&ev.Service, time.Now(), nil)
				if last[ev.Service.ID] == told(st) || !wanted(&ev.Service) {
					continue
				}
				last[ev.Service.ID] = told(st)
				if err := sendJSON(ws, pcStateEvent{State: st}); err != nil {
					return err
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// told is what of a state makes an event by its change.
func told(st control.ProcessState) string {
	return fmt.Sprint(st.Status, st.IsReady, st.ExitCode, st.Restarts, st.PID)
}
