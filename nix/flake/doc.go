// Package flake evaluates flake.nix files: it finds their inputs and calls their
// outputs, lazily.
//
// An input is a local path (its own, or that in flake.lock), another input that it
// follows, or one of the stand-ins of [Options], which replace well-known flakes by
// name. Nothing is ever fetched: any other input is an error once its value is needed.
//
// [Parts] is the style of flake-parts: modules with perSystem. Package definition
// decides which options perSystem has.
package flake
