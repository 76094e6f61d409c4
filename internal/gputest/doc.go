// Package gputest stands in for NVIDIA's GPUs, their driver and its programs
// on a machine that has none.
//
// [New] makes a folder with device nodes, versioned driver libraries that the loader
// can open, and an nvidia-smi that needs them, answers queries, and hangs or fails
// when it is told to. [Standin.Hook] gives them to a container before its start, like
// NVIDIA's hook for OCI runtimes; [Standin.Docker] does so by mounts, and
// [Standin.Env] gives them to a process on this machine.
//
// A [Machine] is such a stand-in, or this machine with its own GPUs: tests of [Each] run
// with both.
//
// Only tests import it.
package gputest
