// Package cache keeps files that can be made or fetched again: packages,
// indexes, layers. They are shared by all projects of a user.
//
// A file appears complete or not at all: it is written under another name,
// synced, and renamed. Several programs may use one cache at a time: each holds a
// shared lock on it ([Open]), and files are removed only under an exclusive lock
// ([Prune]). The kernel releases a lock when its holder ends, even by kill -9. The
// package does not know what the files mean.
package cache
