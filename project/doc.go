// Package project is the contract between the language and the runtime of nix2gpu:
// what a definition means, fully resolved and ready to run.
//
// The language wing (Nix, options, the service catalogue) produces a [Project]; the
// runtime and image wings read it. It is passed on as versioned JSON, so that the
// process that supervises never evaluates. This package touches no files, no network
// and no clock. Nothing in a Project names a path of the machine that made it; see
// [Text].
//
// Any number of goroutines may read a Project; none may change it meanwhile.
package project

//go:generate go test . -run Schema -update
