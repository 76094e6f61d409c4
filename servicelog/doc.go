// Package servicelog carries the output of services from their pipes to one stdout,
// where each line is whole and has the label of its service, and to a file for each
// service, which can be read and followed later, also by another process.
//
// A [Hub] owns stdout and the folder of the files. A [Source] is the log of one
// process. Each start of it is a [Run], whose pipes are read until they end. The files
// are complete whatever becomes of stdout: what stdout has missed is read back from
// them. Neither a stdout that nobody reads nor a full disk makes a caller wait. A
// [Reader] needs no Hub: it reads the files.
//
// All methods may be called from any goroutine. The package knows nothing of
// projects or processes.
package servicelog

// Files.
//
// A log file has one record a line, in the format of Kubernetes' container runtimes,
// so that tail(1) and other tools can read it:
//
//	2026-11-22T23:57:00.123456789Z stdout F listening on :8080
//
// The fields are the time of reading (see stamp), the stream, tags, and the bytes as
// they were written. The first tag is F for the end of a line, or P for a piece of a
// line that is too long. If a line did not end in a newline, a second tag after a colon
// says how: F:r by a carriage return, F:n not at all, because its writer ended. The
// stream nix2gpu has our own marks: "start pid=N restart=N" is the beginning of a run,
// "run pid=N restart=N" says whose the next records are, "gap N reason" that N lines could
// not be kept. A mark that tells the process may have "span=FROM-TO from=TIME to=TIME": the
// bytes before it that have the lines of that time.
//
// postgresql.db.log is the current file; .1 is the one before it, and so on.
// An older one that has rested is packed (.1.zst, see pack.go). A record never spans two
// files.

// Stdout.
//
// A batch of lines gets its stamp and its places in the file and in the queue of stdout
// under the lock of the file, so that all three have the same order. When the queue is
// full, a backlog begins behind it: for each file the range that stdout lacks. The
// writing goroutine takes the backlog once it has written the queue, and merges the
// ranges by the stamps of their records. Meanwhile new lines are queued in memory
// again, until the next backlog.
//
// A range refers to segments by number, since rotation renames them, and keeps none
// open. If rotation has removed one, its lines are counted as lost.
