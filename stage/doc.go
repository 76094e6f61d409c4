// Package stage prepares everything a process needs in the moment before it
// is spawned, and forgets it again.
//
// [Stage.Prepare] resolves the places in a process's texts (packages, the
// root, state and run folders, generated files), makes its folders, writes
// its files, assembles its environment, finds its user and its program, and
// returns a [Launch]: plain values that package process can spawn. Whatever is
// wrong is an [*Error] that says what, where, and the cure.
//
// The package starts nothing and knows nothing of Nix. A Stage holds no state
// that changes, so it may be used by several goroutines; two processes that
// write the same file do so with the same content, by renaming.
package stage
