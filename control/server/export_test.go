package server

import "time"

// The bounds on connections.
const (
	MaxConns     = maxConns
	MaxFollowers = maxFollowers
)

// SetBodyTime sets the time within which the body of a request must arrive.
func (s *Server) SetBodyTime(d time.Duration) { s.bodyTime = d }
