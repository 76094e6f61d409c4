// Package project is the contract between the two halves of nix2gpu: what a
// definition means, fully resolved, and ready to be run.
//
// The language half (Nix, options, the service catalogue) produces a
// [Project]; the runtime half (staging, processes, supervision, images) reads
// it. It travels as versioned JSON, so that the process that supervises never
// evaluates. Everything here is a value without behaviour at the edges: no
// files, no network, no clock. Nothing in a Project names a path of the
// machine that made it; see [Text].
//
// The types are not safe for concurrent mutation; share copies.
package project

//go:generate go test . -run Schema -update
