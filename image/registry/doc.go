// Package registry pushes images to container registries and reads them there.
//
// A [Client] has the credentials of the user who runs the program: from the
// configuration files of docker and podman, their helpers, and GITHUB_TOKEN. A
// request is tried again when the registry is busy or fails. TLS is required
// except on loopback. Errors are of type [Error], with a cure. Credential helpers
// run as child processes, so this package is not for the process that supervises.
package registry
