// Package server answers requests about a running project, on a unix socket and over
// TCP.
//
// [Listen] makes the socket so that only its owner can open it, and [Server] checks
// the user of each connection again. A slow or silent client costs one connection and
// a bounded queue, never the engine's time: the events that it was too slow for are
// counted, and the count is sent to it. The number of connections is bounded, with a
// bound apart for those that follow, so that a short request always finds a place.
//
// Beside our own requests ([Routes]) it answers the basic ones of process-compose, for
// that program's clients.
package server

//go:generate go test . -run "^Test(API|Metrics)ReferenceIsFresh$" -update
