// Package client asks a running supervisor over its control socket.
//
// A [Client] holds no connection open between requests and needs no closing.
// Errors carry a control.Code; one that can't reach a supervisor is
// control.ErrNotRunning.
package client
