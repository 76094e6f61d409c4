// Package eval evaluates the Nix expression language.
//
// An [Evaluator] is made once with [Options]; its methods return errors. Code that runs
// inside an evaluation, such as a [Builtin], has a [Thread] instead, whose methods do
// not return errors but panic with an [*Error]. [Evaluator.Do] and [Thread.Try] turn
// the panic into an ordinary error; none leaves the methods of Evaluator.
//
// Files are read only through the [FS] that the caller gives. One goroutine at a time
// may use an Evaluator and the values that it made. Evaluators are independent of each
// other.
package eval

// How it works, for maintainers. resolve.go turns a syntax tree into a tree of nodes
// (node.go) in which every variable is a (depth, slot) pair; a node evaluates itself in
// an env. Values are plain Go values behind the interface Value; what is not computed
// yet is a *Thunk, and only Thread.Force looks into one. Attribute sets share shapes
// (attrs.go), so that most selections are a comparison of pointers. Errors unwind as
// panics. Their traces come from a shadow stack of call sites, which costs a call no
// more than an append.

//go:generate go test -run TestReferenceIsFresh . -update
