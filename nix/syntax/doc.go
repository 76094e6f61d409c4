// Package syntax turns Nix source text into a syntax tree, and back.
//
// [Parse] parses an expression, [ParseBindings] bindings without braces, and
// [ParseFragment] either. Every node has a position, a [Pos], and so has every [Error];
// [Excerpt] returns the line with a caret that people see. [Print] writes canonical Nix.
//
// The tree is the meaning of the text, not its form: indented strings have lost their
// indentation, nested attribute paths are merged into sets, and duplicates are
// rejected. The package knows nothing of values and files. A tree is never changed
// after parsing, so goroutines may share it.
package syntax
