package main

import (
	"bytes"
	"os"
	"testing"

	"nix2gpu/internal/testkit"
)

// text/template finds methods by names that are known only when it runs. With
// its evaluation in the program the linker must keep each exported method of
// every type, which are 3 MB that every start pays for; see compose/template.
func TestLinkerMayDropMethods(t *testing.T) {
	data, err := os.ReadFile(testkit.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte("text/template/parse.(*Tree).")) {
		t.Fatal("no names of functions are found in the program, which must have the parser of templates")
	}
	if bytes.Contains(data, []byte("text/template.(*state).evalField")) {
		t.Error("the program has text/template's evaluation in it: which package asks for it?")
	}
}
