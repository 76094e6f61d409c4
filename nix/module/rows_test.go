package module_test

import (
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/nix/module"
)

// Rows say all that an option can be told in words.
func TestRows(t *testing.T) {
	weekday := func(word string) module.Type {
		if word == "weekday" {
			return module.Enum("monday", "friday")
		}
		return nil
	}
	docs := module.Describe(module.Rows([]module.Row{
		{"port", "port = 8080", "The port to listen on."},
		{"bind", "null string = 127.0.0.1", "The address to listen on; null is all."},
		{"mode", "string = 0400", "Digits that are a text."},
		{"number", "string = 5", "A text that is a number."},
		{"one", "int | string = 5", "A number, where it may be one."},
		{"half", "number = 0.5", "No whole number."},
		{"host", "alias bind"},
		{"group", "inert string", "the group is that of the user"},
		{"preStart", "refused lines", "use a service that comes before"},
		{"tls", "set"},
		{"  enable", "bool = true", "Whether to speak TLS."},
		{"  key", "null path e.g. ./key.pem", "The file of the key."},
		{"  versions", "set"},
		{"    low", "enum 1.2 1.3", "The lowest."},
		{"hosts", "attrs {} e.g. { a.root = ./a; }", "The hosts by name."},
		{"  root", "required path", "The folder to serve."},
		{"  listen", "list {}", "Where to listen."},
		{"    port", "null port", "The port."},
		{"  limit", "null int | string ~ 10M", "How large a request may be."},
		{"day", "weekday = friday", "A word of the caller's own."},
		{"args", "list string = [ \"-a\" \"-b\" ]", "What comes after it belongs to a list."},
		{"deep", "(list string) | attrs null bool | 1..5 = [ ]", "Parentheses group."},
		{"choice", "positive | enum auto max", "The default is that of the first."},
	}, weekday))
	var b strings.Builder
	if err := module.WriteText(&b, docs); err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "testdata/rows.golden", []byte(b.String()))
}

// A type is made when something needs it, and once.
func TestLater(t *testing.T) {
	made := 0
	typ := module.Later(func() module.Type {
		made++
		return module.Submodule(module.Schema{Options: module.Options{"port": {Type: module.Port}}})
	})
	options := module.Options{"a": {Type: module.NullOr(typ), Default: module.Null}, "b": {Type: module.ListOf(typ)}}
	if made != 0 {
		t.Errorf("made %d times before anything needs it", made)
	}
	module.Describe(options)
	module.Describe(options)
	if made != 1 {
		t.Errorf("made %d times, want 1", made)
	}
}
