// Package servicelog carries the output of services: from their pipes to one
// stdout, where every line is whole and says whose it is, and to one file
// each, from which it can be read and followed later, also by another process.
//
// A [Hub] owns stdout and the folder of files. A [Source] is one process's
// log; each start of it is a [Run], whose pipes are read until they end. The
// files are complete whatever stdout does: that is a cursor in them, which goes
// through memory while its reader keeps up, and reads back what it has missed.
// Neither a stdout that stands still nor a full disk makes a caller of this
// package wait. [Reader] needs no Hub: it reads the files, and learns of new
// lines from the Hub when given one, else from the kernel.
//
// All methods may be called from any goroutine. The package knows nothing of
// projects or processes.
package servicelog

// Files.
//
// A log file holds one record a line, in the format of Kubernetes' container
// runtimes, so that other tools can read it and tail(1) shows it:
//
//	2026-11-22T23:57:00.123456789Z stdout F listening on :8080
//
// The fields are the time of reading (see stamp), the stream, tags, and the bytes as they
// were written. The first tag is F for the end of a line, or P for a piece of
// one that was cut because it is too long. A second one, after a colon, says
// how the line ended when not by a newline: F:r by a carriage return, F:n not
// at all, because its writer ended. The stream nix2gpu holds our own marks:
// "start", the beginning of a run, and "gap N reason", where N lines could not
// be kept.
//
// postgresql.db.log is the current file; .1 is the one before it, and so on.
// A record never spans two files.

// Stdout.
//
// A batch of lines gets its stamp, its place in the file and its place in the
// queue of stdout under the lock of the file, so that all three have one
// order. A queue that is full ends in a backlog: for each file the range that
// stdout has not got. The goroutine that writes takes the backlog when it has
// written the queue; from then on lines are queued in memory again, behind it,
// while it merges the ranges by the stamps of their records. When the queue
// fills up meanwhile, it ends in the next backlog.
//
// A range names its segments by number, since rotation renames them, and holds
// none open: one that rotation has removed is skipped and its lines are
// counted.
