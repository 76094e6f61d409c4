// Package messages collects what the program says when something is wrong, and writes
// the page docs/reference/messages.md from it. It reads the source: each error, warning
// and note with its cure, wherever it is made ([Collect]).
//
// Its rule is that no message leaves the reader alone. Each names a cure; or says
// itself what is wanted; or is of a kind that has one cure, which the page names; or is
// in testdata/unsaid.txt with a word for why it has none.
package messages

//go:generate go test . -run "^TestPageIsFresh$" -update
