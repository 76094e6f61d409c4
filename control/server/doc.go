// Package server answers requests about a running project on a unix socket.
//
// [Listen] makes the socket so that nobody but its owner can open it, and
// [Server] checks again who asks. A slow or silent reader costs one
// connection and a bounded queue, never the engine's time: what it is too
// slow for is counted and told to it. Connections are bounded, those who
// follow apart from the others: a short request always finds a place.
//
// Beside our own requests (control.Routes) the basic ones of process-compose
// are answered, so that its clients find what they look for.
package server
