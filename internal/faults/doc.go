// Package faults is the campaign against the running program: processes that
// fork away, ignore signals or flood their log, a stdout that nobody reads, a
// supervisor that is killed. It holds tests only; each asserts behaviour and
// prints the times it saw.
package faults
