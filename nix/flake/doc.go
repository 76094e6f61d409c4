// Package flake evaluates flake.nix files: it finds their inputs and calls their
// outputs, lazily. [Lock] works out their flake.lock.
//
// An input is a local path (its own, or that in flake.lock), another input that it
// follows, one of the stand-ins of [Options], which replace well-known flakes by
// name, or what Nix's store has of what it is locked to. An evaluation fetches nothing: any
// other input is an error once its value is needed. So is a folder that is not what the lock
// says of it.
//
// [Parts] is the style of flake-parts: modules with perSystem. Package definition
// decides which options perSystem has.
package flake
