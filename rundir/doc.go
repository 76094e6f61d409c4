// Package rundir knows where a project keeps its things on this machine: the
// control socket, the lock, state, logs and the services' own sockets.
//
// [Locate] decides it from an [Env] alone, so that a client finds the
// supervisor without evaluating anything; [Layout.Prepare] makes the folders;
// [Layout.Lock] keeps a second supervisor out. What a run needs is gone after
// [Layout.Clear]; what outlives a run is all in one folder, State.
//
// State is ".nix2gpu/<container>" beside the definition, where its data is as
// well: two checkouts never meet, and whoever deletes a checkout has deleted
// everything. Where that folder is not ours to write, it is below
// $XDG_STATE_HOME instead; in a container it is /var/lib/nix2gpu.
//
// Nothing here reads the process's environment. Values may be shared.
package rundir
