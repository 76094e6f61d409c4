// Package module is the module system: it merges what several modules assign
// to declared options, and gives back typed, positioned values.
//
// Options are declared in Go (see [Options]) or in Nix (lib.mkOption); both go
// through one engine and one set of types, which Nix sees as lib.types. The
// meaning of priorities, properties, submodules and merging is that of NixOS.
// [Evaluate] is lazy: an option is merged when it is read. [Evaluation.Check]
// reads everything and reports every error at once.
//
// Go code reads the result through [Config], in which no value of the Nix
// evaluator is visible. An Evaluation belongs to its evaluator and, like it,
// must not be used by two goroutines at once.
package module
