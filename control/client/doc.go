// Package client asks a running supervisor over its control socket.
//
// A [Client] holds no connection open between requests and needs no closing.
// Errors wrap a control.Error; that of an unreachable supervisor matches
// control.ErrNotRunning.
package client
