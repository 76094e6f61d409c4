// Package arch holds the laws of the source tree as tests: which package may
// import which, who may fork, how long a file may be.
//
// The tests read the source with go/parser instead of asking the go command,
// so that the test cache notices when a law is broken.
package arch
