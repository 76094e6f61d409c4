// Package cache keeps files that can be made or fetched again: packages,
// indexes, layers. They are shared by all projects of a user.
//
// A file appears complete or not at all: it is written under another name,
// synced, and renamed. Several programs may use one cache at once: each holds a
// shared lock on it ([Open]), and only who holds it alone removes files
// ([Dir.Prune]). A lock ends with its holder, also by kill -9. The package knows
// nothing of what the files mean.
package cache
