// Package debtest makes what tests need of Debian, in memory and on loopback:
// .deb files, also hostile ones, archives of them with signed indexes, and a
// server whose answers can be spoiled.
//
// Everything but signatures is the same bytes each time. Only tests import it.
package debtest
