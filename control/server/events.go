package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"nix2gpu/control"
)

// heartbeat is how often a stream of server-sent events says that it is there, so that
// whoever carries it between us and the reader does not take it for dead.
const heartbeat = 15 * time.Second

// An eventStream writes Messages for one reader.
type eventStream struct {
	w    http.ResponseWriter
	to   *http.ResponseController
	sse  bool
	born uint64 // of the engine: what it numbers has no meaning for another
}

// getEvents streams every change until the project or the reader ends.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	follow, err := paramsOf(r).on("follow", true)
	if err != nil {
		return err
	}
	if follow {
		done, err := connOf(r.Context()).follow()
		if err != nil {
			return err
		}
		defer done()
	}
	last := r.Header.Get("Last-Event-ID")
	if after := paramsOf(r).text("after"); after != "" {
		last = after
	}
	out := &eventStream{w: w, to: http.NewResponseController(w), born: uint64(s.opts.Engine.Snapshot().Since.UnixNano()),
		sse: strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
	sub, err := s.opts.Engine.Subscribe(r.Context(), out.number(last))
	if err != nil {
		return err
	}
	defer sub.Cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	if out.sse {
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache")
	}
	if !sub.Resumed && out.send(control.Message{ID: out.id(sub.Seq), State: s.state(r.Context(), sub.Snapshot)}) != nil {
		return nil
	}
	for _, ev := range sub.Missed {
		if out.send(control.Message{ID: out.id(ev.Seq), Event: &ev}) != nil {
			return nil
		}
	}
	if out.flush() != nil || !follow { // also a stream that has nothing to say yet has begun
		return nil
	}
	var beats <-chan time.Time
	if out.sse {
		beat := time.NewTicker(heartbeat)
		defer beat.Stop()
		beats = beat.C
	}
	for {
		select {
		case ev, ok := <-sub.Events:
			if !ok {
				return s.sendEnd(r.Context(), out)
			}
			if out.send(control.Message{ID: out.id(ev.Seq), Event: &ev}) != nil {
				return nil
			}
		case <-beats:
			if out.write([]byte(": still there\n\n")) != nil {
				return nil
			}
		case <-r.Context().Done():
			return nil
		}
	}
}

// sendEnd waits for the engine's result, which follows its last event.
func (s *Server) sendEnd(ctx context.Context, out *eventStream) error {
	select {
	case <-s.all:
		s.mu.Lock()
		end := s.end
		s.mu.Unlock()
		out.send(control.Message{End: end})
	case <-ctx.Done():
	}
	return nil
}

// id is the id of a message.
func (e *eventStream) id(seq uint64) string {
	return strconv.FormatUint(e.born, 36) + "-" + strconv.FormatUint(seq, 10)
}

// number is the event that an id is of; 0: none that this engine knows.
func (e *eventStream) number(id string) uint64 {
	born, number, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || born != strconv.FormatUint(e.born, 36) {
		return 0
	}
	return seq
}

func (e *eventStream) send(m control.Message) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if !e.sse {
		if err := enc.Encode(m); err != nil {
			return err
		}
		return e.write(b.Bytes())
	}
	if m.ID != "" {
		fmt.Fprintf(&b, "id: %s\n", m.ID)
	}
	name, data := "change", any(m.Event)
	switch {
	case m.State != nil:
		name, data = "state", m.State
	case m.End != nil:
		name, data = "end", m.End
	}
	fmt.Fprintf(&b, "event: %s\ndata: ", name)
	if err := enc.Encode(data); err != nil { // one line: JSON has no line ends of its own
		return err
	}
	b.WriteByte('\n')
	return e.write(b.Bytes())
}

func (e *eventStream) write(b []byte) error {
	e.to.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := e.w.Write(b); err != nil {
		return err
	}
	return e.flush()
}

func (e *eventStream) flush() error { return e.to.Flush() }
