// Package packages knows what a package attribute of a definition stands for,
// and makes it exist on this machine.
//
// The attribute table ([Lookup]) maps "postgresql" to the programs that people
// expect below its bin folder, to the places where an operating system hides
// them, and to the Debian packages that bring them. A [Provider] turns an
// attribute into a folder with a bin: [Host] does it with links to what is
// already installed. It also says what a package consists of ([Contents]): its
// files, what it depends on, and the users of its servers. The package knows
// nothing of Nix: an attribute is text.
//
// A Host may be used by several goroutines, and by several processes over the
// same folder: a farm of links is replaced as a whole, never edited in place.
package packages
