// Package module is the module system: it merges what several modules assign to
// declared options, into typed values that know their positions.
//
// Options are declared in Go (see [Options]) or in Nix (lib.mkOption); both use one
// engine and one set of types, which Nix sees as lib.types. Priorities, properties,
// submodules and merging mean what they mean in NixOS. [System.Evaluate] is lazy: an
// option is merged when it is read. [Evaluation.Check] reads everything and reports all
// errors at once.
//
// Go code reads the result through a [Config], which shows no values of the evaluator.
// An Evaluation belongs to its evaluator and, like it, must not be used by two
// goroutines at a time.
package module

// How it works, for maintainers. A tree (tree.go) is one evaluation: it collects
// modules (collect.go), and merges their declarations into levels, in which each name
// is an option or a further level. What the declarations say, whatever is assigned, is a
// level's plan (plan.go), which the instances of a submodule share. An option is a slot (decl.go): it gets the
// definitions that its level distributes to it, takes the properties off (merge.go),
// keeps those of the best priority, and lets its type (type.go, compound.go) make one
// value of them. A type makes slots again of the elements of sets and lists, and a tree
// of a submodule, so that every place of a configuration knows its definitions. Each
// step is computed at most once, and only when it is needed, through the evaluator's
// thunks: see once.
//
// Nix sees types as sets, called views (view.go), and may define its own. Go sees
// values as nodes (node.go) behind a Config. Check and Walk (check.go) visit
// everything; docs.go describes what is declared.
