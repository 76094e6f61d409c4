// Package daemon loads images into the container engines of this machine: into
// docker by its socket, into podman by its socket or its command.
//
// Both get one archive that is an OCI layout and what "docker save" writes at
// once, so that old and new engines find what they know. What an engine has
// already is not sent: an image that is there is only tagged, and docker gets no
// layer that the image of the same name has. What goes wrong is an [Error], which
// says what to do. Podman's command is a child process: this package is not for
// the process that supervises.
package daemon
