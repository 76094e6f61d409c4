// Package stage prepares all that a process needs, right before it is spawned.
//
// [Stage.Prepare] resolves the places in a process's texts (packages, the
// root, state and run folders, generated files), makes its folders, writes
// its files, assembles its environment, finds its user and its program, and
// returns a [Launch]: plain values that package process can spawn. Whatever is
// wrong is an [*Error] that says what, where, and the cure.
//
// The package starts nothing and knows nothing of Nix. A Stage never changes, so
// several goroutines may use it at once: files appear by renaming, and two
// processes that write the same file write the same content.
package stage
