// Package logcopy writes what a process prints to a file of the user's choice as well,
// beside the log of [servicelog]: in process-compose's formats, put aside by size, packed,
// and removed by number and age.
//
// A [Set] owns the files that are open. Several processes may write to one, from any
// goroutine. The package opens no file by a name that it was given: the caller does, by
// its own rules for links.
package logcopy
