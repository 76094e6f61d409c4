// Package rundir knows the paths of a project on this machine: of its control socket,
// locks, state, logs and the services' own sockets.
//
// [Locate] derives them from an [Env], so that a client finds the supervisor without
// evaluating anything. [Layout.Prepare] makes the folders; [Layout.Lock] keeps a
// second supervisor out. [Layout.Clear] removes what only a run needs; what outlives
// a run is all in one folder, State.
//
// State is ".nix2gpu/<container>" beside the definition, like its data: two checkouts
// don't share anything, and deleting a checkout deletes all of it. If we can't write
// there, it is below $XDG_STATE_HOME; in a container it is /var/lib/nix2gpu.
//
// Nothing here reads the process's environment. Values may be shared.
package rundir
