// Package gputest stands in for NVIDIA's GPUs, their driver and its programs
// on a machine that has none.
//
// [New] makes a folder with device nodes, versioned driver libraries that the
// loader really opens, and an nvidia-smi that needs them, answers queries, and
// hangs or fails when told to. [Standin.Hook] lends them to a container before
// its start, as NVIDIA's hook of OCI runtimes does, [Standin.Docker] by mounts that
// the engine makes, [Standin.Env] to a process on this machine.
//
// Only tests import it.
package gputest
