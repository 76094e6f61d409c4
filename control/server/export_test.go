package server

import "time"

// The bounds on connections.
const (
	MaxConns     = maxConns
	MaxFollowers = maxFollowers
)

// SetBodyTime sets the time within which the body of a request must arrive.
func (s *Server) SetBodyTime(d time.Duration) { s.bodyTime = d }

// SetHeaderTime shortens what the header of a request may take, over TCP.
func (s *Server) SetHeaderTime(d time.Duration) { s.headerTime = d }

// The bounds over TCP.
const (
	MaxPerPeer  = maxPerPeer
	WrongTokens = wrongTokens
)
