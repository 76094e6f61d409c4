// Package control is the language between a running supervisor and those who
// ask it: the types that travel, and the errors. The engine answers in them too.
//
// Requests go over a unix socket as HTTP with JSON bodies; what has no end
// (events, followed logs) is sent as one JSON object a line. Package server
// answers, package client asks. This package knows neither, and nothing of
// the engine: it can be imported by any program that speaks to nix2gpu.
package control
