// Package messages collects what the program says when something is wrong, and
// writes the page docs/reference/messages.md of it. It reads the source: each
// error, warning and note with its cure, wherever one is made ([Collect]).
//
// Its law is that nobody is left alone: a message names a cure, or says itself
// what must be otherwise, or is of a kind whose cure the page names for all of
// them, or stands in testdata/unsaid.txt with the word of why it names none.
package messages

//go:generate go test . -run "^TestPageIsFresh$" -update
