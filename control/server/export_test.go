package server

import "time"

// The bounds, for tests that reach them.
const (
	MaxConns     = maxConns
	MaxFollowers = maxFollowers
)

// SetBodyTime shortens what the body of a request may take.
func (s *Server) SetBodyTime(d time.Duration) { s.bodyTime = d }
