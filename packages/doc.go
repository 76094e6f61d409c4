// Package packages knows what a package attribute of a definition stands for, and
// makes it available on this machine.
//
// The attribute table ([Lookup]) maps "postgresql" to the programs that people expect
// in its bin folder, to the places where a system has them, and to the Debian
// packages that have them. A [Provider] makes a folder with a bin for an attribute:
// [Host] does it with links to what is installed. It also tells what a package
// consists of ([Contents]): files, dependencies, and the users of its servers. The
// package knows nothing of Nix: an attribute is text.
//
// Several goroutines may use a Host, and several processes the same folder: a
// package's links are replaced as a whole, never changed in place.
package packages
