// Package repo gets indexes and packages from Debian archives: it reads a
// machine's apt sources, verifies what an archive signed, and downloads into
// the shared cache.
//
// Nothing from an archive is trusted unless a known key has signed it: first
// InRelease, then files whose digests are in it, then packages whose digests are
// in those. Several goroutines may use a [Client], and several programs a cache.
// The package knows nothing of definitions and locks.
package repo
