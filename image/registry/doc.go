// Package registry carries images to container registries and reads them there.
//
// A [Client] acts as the user who runs the program: credentials come from the
// configuration files of docker and podman, their helpers, and GITHUB_TOKEN.
// Every request is tried again when the registry is busy or fails. TLS is
// demanded everywhere but on loopback. What goes wrong is an [Error], which says
// what to do about it. Credential helpers are run as child processes: this
// package is not for the process that supervises.
package registry
