// Package testkit is what tests of the whole program share: the binary built
// once, a network namespace of its own for each stack so that fixed ports
// never clash, golden files, and the proof that nothing was left behind.
//
// Only tests import it.
package testkit
