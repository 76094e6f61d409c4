// Package cli is the command line: what a user types, and what is printed.
//
// [Main] picks the verb, runs it and turns its error into a message and an
// exit code; [Env] is everything it may know of the process it runs in. Each
// verb is a constructor for its command, a struct of its options and a run
// function, in a file of its own. Called under the name process-compose, the
// program has that tool's verbs and flags instead; see newProcessCompose.
//
// A process that has evaluated a definition never supervises: "up" hands the
// resolved project to a new process of the same program, by the hidden verb
// supervise.
package cli

//go:generate go test . -run "^TestReferenceIsFresh$" -update
