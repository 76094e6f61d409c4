// Package safeyaml parses YAML from strangers. The library that it wraps recurses
// without limit, expands aliases as often as it is told to, and panics on some input.
// Here each of these is an [Error] with its position, before it costs memory or stack.
//
// The package does not know what a document means: see [Read].
package safeyaml
