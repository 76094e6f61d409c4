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

// A Server serves a tree on loopback, with ranges, and can spoil answers.
type Server struct {
	URL string

	mu     sync.Mutex
	tree   Tree
	spoil  func(w http.ResponseWriter, r *http.Request, data []byte) bool
	asked  []string
	server *httptest.Server
}

// Serve starts a server that ends with the test.
func Serve(tb testing.TB, tree Tree) *Server {
	tb.Helper()
	s := &Server{tree: tree}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.server.URL
	tb.Cleanup(func() {
		s.server.CloseClientConnections() // also those that stand still on purpose
		s.server.Close()
	})
	return s
}

// Set replaces what is served.
func (s *Server) Set(tree Tree) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tree = tree
}

// Spoil hands each request to f first, with what would be sent; f answers it
// and returns true, or leaves it. A nil f ends that.
func (s *Server) Spoil(f func(w http.ResponseWriter, r *http.Request, data []byte) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spoil = f
}

// Asked lists the paths that were asked for since the last call, with
// " RANGE" behind those that were for a part.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.asked
	s.asked = nil
	return out
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	data, ok := s.tree[name]
	spoil := s.spoil
	asked := name
	if value := r.Header.Get("Range"); value != "" {
		asked += " " + value
	}
	s.asked = append(s.asked, asked)
	s.mu.Unlock()
	if spoil != nil && spoil(w, r, data) {
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}
