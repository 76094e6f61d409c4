// Package image makes the OCI image of a project from Debian packages, without
// a daemon, root, or a script of any package.
//
// [Build] takes the packages, the project and our own program, and returns an
// image whose layers are in a cache. A layer of packages depends on those packages
// alone, so that images share layers. Above them are the fix-ups, which do what
// the packages' scripts would have done, our program, the farm, which has a folder
// of links for each package, and last the definition. The same inputs give the
// same bytes on any machine. Memory does not grow with the packages' sizes.
//
// It does not know where packages come from, nor how an image is pushed.
package image
