// Package download downloads files over HTTP. It is patient with a bad network, but
// gives up on a dead one.
//
// A [Client] repeats what may succeed later, continues a transfer that broke off,
// and puts a file into the cache only if its digest is right. If several programs
// want the same file, one downloads it and the others wait. The package does not
// know what files mean, nor where they come from.
package download
