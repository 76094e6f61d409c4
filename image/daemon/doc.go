// Package daemon loads images into the container engines of this machine: into
// docker by its socket, into podman by its socket or its command.
//
// Both get an archive that is an OCI layout and an archive of "docker save" as
// well, for new and old engines. What an engine has is not sent: an image that is
// there is only tagged, and docker gets no layer that the image of the same name
// has. Errors are of type [Error], with a cure. Podman's command runs as a child
// process, so this package is not for the process that supervises.
package daemon
