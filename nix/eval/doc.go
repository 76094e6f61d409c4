// Package eval evaluates the Nix expression language.
//
// An [Evaluator] is made once with [Options] and asked from outside with
// methods that return errors. Code that works inside an evaluation, such as a
// [Builtin], holds a [Thread] instead: its methods do not return errors but
// panic with an [*Error], which [Evaluator.Do] (or [Thread.Try]) turns into an
// ordinary one. No panic leaves the methods of Evaluator.
//
// Files are read only through the [FS] that the caller gives. One goroutine at
// a time may use an Evaluator and the values it made; several Evaluators are
// independent of each other.
package eval

// How it works, for maintainers. resolve.go turns a syntax tree into a tree of
// nodes (node.go) in which every variable is a (depth, slot) pair; a node
// evaluates itself in an env. Values are plain Go values behind the interface
// Value; anything that is not yet computed is a *Thunk, and only Thread.Force
// looks into one. Attribute sets share shapes (attrs.go), which makes selection
// a pointer comparison most of the time. Errors unwind as panics; the trace is
// taken from a shadow stack of call sites, so the fast path pays an append.

//go:generate go test -run TestReferenceIsFresh . -update
