// Package syntax turns Nix source text into a syntax tree, and back.
//
// [Parse] reads an expression, [ParseBindings] reads bindings that stand
// without braces, [ParseFragment] takes either. Every node knows its place as
// a [Pos]; what is rejected comes back as an [Error] with its place, see
// [Excerpt] for the line and caret people see. [Print] writes canonical Nix.
//
// The tree is what Nix means, not how it was typed: indented strings have
// lost their indentation, nested attribute paths are merged into sets, and
// duplicates are rejected. The package knows nothing of values or files, and
// a tree is never changed after parsing, so it may be shared freely.
package syntax
