// Package faults attacks the running program: processes that fork away, ignore signals
// or flood their log, a stdout that nobody reads, a supervisor that is killed. It holds
// tests, each of which checks behaviour and tells what it has counted or measured; and
// [Rows], the list of all faults that tests of any package show, for "make faults" and
// the page about them.
package faults

//go:generate go test . -run FaultsPage -update
