// Package container initialises a container before its services start.
//
// [Steps] is the whole of it as a table: each step is a value with what it
// needs and what it does, is safe to repeat, and says what its failure means.
// [Machine.Run] goes through the table and remembers in /run what has been
// done in this life of the container, so that "boot" a second time, or "up" in
// a shell, does only what is missing. One run at a time: the stamp is a lock.
//
// The package starts no service, evaluates nothing, and forks only through the
// function that it is given.
package container
