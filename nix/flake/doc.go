// Package flake evaluates flake.nix files: it finds their inputs and calls
// their outputs, lazily.
//
// An input is a local path (as typed, or as flake.lock says), another input
// that it follows, or one of the stand-ins of [Options], which take the place
// of well-known flakes by name. Nothing is ever fetched: any other input is an
// error that says so, once its value is needed.
//
// [Parts] is the flake-parts style: modules with perSystem. Package definition
// decides what options perSystem has.
package flake
