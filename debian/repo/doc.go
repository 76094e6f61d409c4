// Package repo gets indexes and packages from Debian archives: it reads a
// machine's apt sources, verifies what an archive signed, and downloads into
// the shared cache.
//
// Nothing of an archive is believed before a key that is known has signed it:
// InRelease first, then what it names by digest, then what that names. A
// [Client] may be used by several goroutines, and several programs may use one
// cache. The package knows nothing of definitions and locks.
package repo
