// Package image makes the OCI image of a project from Debian packages, without
// a daemon, root, or a script of any package.
//
// [Build] is given the packages, the project and our own program, and returns an
// image whose layers lie in a cache. What a layer of packages holds follows from
// those packages alone, so that images share layers; then come the fix-ups,
// which do what the packages' scripts would have done, our program, the farm of
// packages, and the definition last. The same inputs give the same bytes on any
// machine. Everything is streamed: memory does not grow with the packages.
//
// It does not know where packages come from, nor how an image is pushed.
package image
