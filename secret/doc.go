// Package secret reads secrets from where they are: a file, a file that is
// encrypted with age, a variable of our own environment.
//
// [Source.Read] does so with our own rights, each time anew, and keeps nothing.
// What is wrong is an [*Error] that names the place and the cure, and never
// shows what was read. [InMemory] tells where a secret may be written to.
//
// The package knows nothing of projects and services: package stage decides
// who gets a secret, and how.
package secret
