// Package secret reads secrets: from a file, a file that is encrypted with age, or
// a variable of our own environment.
//
// [Source.Read] reads with our own rights, and keeps nothing. Errors are of type
// [*Error]: they name the source and the cure, and never show what was read.
// [InMemory] tells where a secret may be written to.
//
// The package knows nothing of projects and services: package stage decides
// who gets a secret, and how.
package secret
