package debtest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Spoiler is the part of a server on loopback that can spoil answers, and that records
// requests. The server that embeds it knows the answers.
type Spoiler struct {
	mu    sync.Mutex
	spoil func(w http.ResponseWriter, r *http.Request, data []byte) bool
	asked []string
}

// Start serves until the test ends, and returns the URL of the root.
func (s *Spoiler) Start(tb testing.TB, answer http.HandlerFunc) string {
	tb.Helper()
	server := httptest.NewServer(answer)
	tb.Cleanup(func() {
		server.CloseClientConnections() // also those that stand still on purpose
		server.Close()
	})
	return server.URL
}

// Spoil calls f for each request, with the answer that would be sent. f may answer
// itself and return true. A nil f ends that.
func (s *Spoiler) Spoil(f func(w http.ResponseWriter, r *http.Request, data []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = f
}

// Spoiled reports whether the function of [Spoiler.Spoil] has answered a request.
func (s *Spoiler) Spoiled(w http.ResponseWriter, r *http.Request, data []byte) bool {
	s.mu.Lock()
	spoil := s.spoil
	s.mu.Unlock()
	return spoil != nil && spoil(w, r, data)
}

// Note records a request.
func (s *Spoiler) Note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, what)
}

// Asked returns the requests since the last call.
func (s *Spoiler) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.asked
	s.asked = nil
	return out
}

// A Server serves a tree, with range requests. It records paths, with " RANGE" behind
// those of range requests.
type Server struct {
	Spoiler
	URL string

	mu   sync.Mutex
	tree Tree
}

// Serve starts a server that ends with the test.
func Serve(tb testing.TB, tree Tree) *Server {
	tb.Helper()
	s := &Server{tree: tree}
	s.URL = s.Start(tb, s.serve)
	return s
}

// Set replaces what is served.
func (s *Server) Set(tree Tree) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = tree
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	data, ok := s.tree[name]
	s.mu.Unlock()
	s.Note(strings.TrimSpace(name + " " + r.Header.Get("Range")))
	if s.Spoiled(w, r, data) {
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
