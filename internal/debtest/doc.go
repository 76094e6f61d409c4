// Package debtest makes, in memory and on loopback, what tests need of Debian:
// .deb files, hostile ones too, archives with signed indexes, and a server whose
// answers can be spoiled.
//
// Except for signatures, the bytes are the same each time. Only tests import it.
package debtest
