// Package client asks a running supervisor: over its control socket ([New]), or over TCP
// if it was started with --listen ([NewTCP]).
//
// A [Client] holds no connection open between requests and needs no closing.
// Errors wrap a control.Error; that of an unreachable supervisor matches
// control.ErrNotRunning. An answer in a later version than control.SchemaVersion is an
// error, too.
package client
