// Package safeyaml parses YAML of strangers. The library that it wraps
// recurses without limit, expands aliases as often as it is told to, and
// panics on some input that its authors have not met; here each of that is an
// [Error] with its place, before it costs memory or stack.
//
// What a document means is the caller's affair: see [Read].
package safeyaml
