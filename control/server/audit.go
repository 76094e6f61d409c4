package server

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"unicode/utf8"
)

// An inquiry is what is logged of a request that changes something, or is told a secret:
// who has asked for what, and what came of it. A body is not logged, since commands and
// environments may be in it.
type inquiry struct {
	about  []any // what it is about: keys and values
	logged bool
}

type inquiryKey struct{}

// about adds to what is logged of a request. It makes one that only reads be logged.
func about(r *http.Request, attrs ...any) {
	if q, ok := r.Context().Value(inquiryKey{}).(*inquiry); ok {
		q.about = append(q.about, attrs...)
	}
}

// audited is a handler whose requests are logged once they are answered.
func (s *Server) audited(access Access, h handler) handler {
	if access == "" || access == AccessRead {
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		q := &inquiry{}
		r = r.WithContext(context.WithValue(r.Context(), inquiryKey{}, q))
		whole := false
		defer func() {
			if !whole { // net/http ends the goroutine
				s.log(r, fmt.Errorf("the answer was cut off"))
			}
		}()
		err := h(w, r)
		whole = true
		s.log(r, err)
		return err
	}
}

// log logs a request, unless that is done.
func (s *Server) log(r *http.Request, err error) {
	q, ok := r.Context().Value(inquiryKey{}).(*inquiry)
	if !ok || q.logged || r.Method == http.MethodGet && len(q.about) == 0 {
		return
	}
	q.logged = true
	attrs := append([]any{"ask", shortened(r.Method + " " + r.URL.Path)}, q.about...)
	attrs = append(attrs, asker(r)...)
	if err == nil {
		s.opts.Log.Info("request", append(attrs, "result", "done")...)
		return
	}
	e := wireError(err)
	s.opts.Log.Warn("request", append(attrs, "result", string(e.Code), "err", shortened(e.Msg))...)
}

// asker says who has made a request: the user and process at the other end of the socket,
// or the address of whoever knew the token.
func asker(r *http.Request) []any {
	peer := peerOf(r)
	if peer == nil {
		return []any{"peer", r.RemoteAddr, "by", "token"}
	}
	out := []any{"uid", peer.Uid, "pid", peer.Pid}
	if name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", peer.Pid)); err == nil { // it may have gone
		out = append(out, "program", strings.TrimSpace(string(name)))
	}
	return out
}

// maxLogged bounds what is logged of a text that came from outside, in bytes.
const maxLogged = 300

func shortened(text string) string {
	if len(text) <= maxLogged {
		return text
	}
	cut := maxLogged
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// names is a list of names as it is logged.
func names[T ~string](list []T) string {
	if len(list) == 0 {
		return "all"
	}
	var b strings.Builder
	for i, name := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(name))
	}
	return shortened(b.String())
}
