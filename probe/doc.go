// Package probe finds out how a process is: it asks it, again and again, and
// says when the answer has changed.
//
// A [Group] holds the probes of one process. Its [Group.Run] never lets a
// check overlap itself, counts successes and failures as Kubernetes does, and
// holds readiness and liveness back until the startup probe has passed. What
// it finds is reported as a [Verdict]. Lack of our own resources, such as
// descriptors, is reported as such and never counted against a process.
//
// Checks speak to servers themselves, so that no client programs are needed.
// A command is run by a [Runner] that the caller gives: only package process
// starts anything.
package probe
