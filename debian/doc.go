// Package debian knows Debian's formats and rules as pure functions: control
// stanzas, versions, relations, the index of an archive's packages, and which
// packages a set of names needs.
//
// It reads no file and no clock, and asks no network: package debian/repo does.
// What the resolver decides on is a [Locked] package: its exact bytes, by
// digest, and where an archive has them, without the name of any host.
package debian
