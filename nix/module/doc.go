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

// How it works, for maintainers. A tree (tree.go) is one evaluation: it
// collects modules (collect.go), and merges their declarations into levels, of
// which each name is an option or a further level. An option is a slot
// (decl.go): it gets the definitions that its level distributes to it, takes
// the properties off (merge.go), keeps those of the best priority, and has its
// type (type.go, compound.go) make one value of them. What a type makes of
// sets and lists are slots again, and of a submodule a tree, so that every
// place of a configuration knows its definitions. Each step is computed at
// most once and only when needed, through the evaluator's thunks: see once.
//
// Nix sees types as sets, called faces (face.go), and may bring its own. Go
// sees values as nodes (node.go) behind a Config. Check and Walk (check.go) go
// through everything; docs.go describes what is declared.
