// Package probe finds out whether a process is ready and alive: it checks again
// and again, and reports when the result changes.
//
// A [Group] holds the probes of one process. Its [Group.Run] never lets a
// check overlap itself, counts successes and failures as Kubernetes does, and
// holds readiness and liveness back until the startup probe has passed. What
// it finds is reported as a [Verdict]. Lack of our own resources, such as
// descriptors, is reported as such and never counted against a process.
//
// Checks speak the servers' own protocols, so that no client programs are needed.
// Commands are run by a [Runner] that the caller gives: only package process
// starts anything.
package probe
