// Package lib holds our own library of Nix functions, as text: what a
// definition means by `lib`.
//
// The functions have the names and meaning of the library of nixpkgs, as far
// as users of flake-parts, services-flake and process-compose-flake need them.
// default.nix puts the topics together; it is a function of the primitives
// that the module engine provides. Package module evaluates it.
package lib

import (
	"embed"
	"io/fs"
)

//go:embed *.nix
var files embed.FS

// Source returns the text of a topic, such as "lists"; "default" is the entry.
func Source(topic string) (text string, ok bool) {
	data, err := fs.ReadFile(files, topic+".nix")
	return string(data), err == nil
}
