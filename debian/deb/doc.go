// Package deb reads a Debian package file as a stream: its control part, then
// each path that it would install.
//
// Nothing is written and no script is run. A package is not trusted: what no
// package of an archive holds is an [Error] that names the package, such as names
// that lead out, devices, and data that decompresses without end. Names are made
// usr-merged ("bin/sh" becomes "usr/bin/sh"). Memory is bounded whatever the
// package holds; [Options.Reserve] bounds it for several readers together.
// [NewArchive] reads a vendor's archive by the same rules.
//
// It knows nothing of repositories, locks or images.
package deb
