// Package debian knows Debian's formats and rules as pure functions: control
// stanzas, versions, relations, the index of an archive's packages, and which
// packages a set of names needs.
//
// It uses no file, no clock and no network; package debian/repo does. What the
// resolver decides on is written down as [Locked] packages: exact files by their
// digests, and their paths in an archive, without the name of any host.
package debian
