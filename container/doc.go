// Package container initialises a container before its services start.
//
// [Steps] is a table of all that is done: each step says what it needs, what it
// does and what its failure means, and is safe to repeat. [Machine.Run] goes
// through the table and records in /run what has been done in this life of the
// container, so that a second "boot", or "up" in a shell, does only what is
// missing. The record is also a lock: there is one run at a time.
//
// The package starts no service, evaluates nothing, and forks only through the
// function that it is given.
package container
