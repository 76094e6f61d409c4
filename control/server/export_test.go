package server

import (
	"strings"
	"time"
)

// The bounds on connections.
const (
	MaxConns     = maxConns
	MaxFollowers = maxFollowers
)

// SetBodyTime sets the time within which the body of a request must arrive.
func (s *Server) SetBodyTime(d time.Duration) { s.bodyTime = d }

// SetHeaderTime shortens what the header of a request may take, over TCP.
func (s *Server) SetHeaderTime(d time.Duration) { s.headerTime = d }

// SetTokenTime shortens the time between looks at the token of a request that goes on.
func (s *Server) SetTokenTime(d time.Duration) { s.tokenTime = d }

// The bounds over TCP.
const (
	MaxPerPeer  = maxPerPeer
	WrongTokens = wrongTokens
)

// IsConfined tells whether the peer of a descriptor counts as one in a sandbox.
func (s *Server) IsConfined(fd, pid int) bool { return s.isConfined(fd, pid) }

// Changing returns the method and path of each request that is not only for reading.
func Changing() (patterns []string) {
	for _, route := range Routes() {
		if route.Access != AccessRead && route.Method != "GET" {
			patterns = append(patterns, route.Method+" "+route.Path)
		}
	}
	for _, route := range (&Server{}).processCompose() {
		if route.access != AccessRead && !strings.HasPrefix(route.pattern, "GET ") {
			patterns = append(patterns, route.pattern)
		}
	}
	return patterns
}
