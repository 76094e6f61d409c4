// Package control is the language between a running supervisor and its clients: the
// types that are sent as JSON, and the errors. The engine returns them, too.
//
// Requests go over a unix socket as HTTP with JSON bodies; a response without an end
// (events, followed logs) is one JSON object a line. Package server answers and
// package client asks. This package imports neither, nor the engine, so any program
// that talks to nix2gpu can import it.
package control
