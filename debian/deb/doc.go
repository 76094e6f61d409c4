// Package deb reads a Debian package file as a stream: its control part, then
// each path that it would install.
//
// Nothing is written anywhere and no script is run. A package is foreign
// bytes: names are made usr-merged ("bin/sh" is "usr/bin/sh"), and whatever a
// package of an archive never holds is an [Error] that names the package: names
// that lead out, devices, archives that unpack without end. Memory is bounded
// whatever the package; [Options.Reserve] bounds that of several readers.
// [NewArchive] reads what is no Debian package, but an archive of some vendor, by
// the same rules.
//
// It knows nothing of repositories, locks or images.
package deb
