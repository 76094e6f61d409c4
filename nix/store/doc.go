// Package store computes what Nix calls things in its store, byte for byte: the paths
// of sources, texts and outputs, the archive that a source is hashed as (NAR), and
// derivations with their files. It writes nothing, and asks no store.
//
// Paths are hashes of what they are of, so they can be known without a store. How is
// described in the Nix manual, "Store Path Specification" and "Derivation", and in
// Dolstra's thesis "The Purely Functional Software Deployment Model", chapter 5.
//
// The package is a replacement of github.com/nix-community/go-nix for three reasons:
// that has no outputs whose paths are known only after the build, reads sources from
// the machine's own file system alone, and compiles regular expressions whenever a
// program with it starts.
package store
