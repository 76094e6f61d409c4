// Package lib holds our own library of Nix functions, which definitions know as `lib`,
// as source text.
//
// The functions have the names and the meaning of those in nixpkgs, as far as users of
// flake-parts, services-flake and process-compose-flake need them. default.nix combines
// the topics; it is a function of the primitives that package module provides, and that
// package evaluates it.
package lib

import (
	"embed"
	"io/fs"
)

//go:embed *.nix
var files embed.FS

// Source returns the text of a topic, such as "lists". "default" combines all of them.
func Source(topic string) (text string, ok bool) {
	data, err := fs.ReadFile(files, topic+".nix")
	return string(data), err == nil
}
