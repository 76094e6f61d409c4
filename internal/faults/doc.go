// Package faults attacks the running program: processes that fork away, ignore signals
// or flood their log, a stdout that nobody reads, a supervisor that is killed. It holds
// tests only; each checks behaviour and logs the times that it measured.
package faults
