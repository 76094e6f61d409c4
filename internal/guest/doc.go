// Package guest boots kernels of its own for tests: Debian's user-mode-linux,
// which needs no virtualisation, over a root of the test's making. What the
// machine's own kernel lacks is there: cgroup v2 with all controllers, every
// capability, a root that is really read-only, file systems in memory.
//
// A test says with [Options] what is in the root and what PID 1 becomes, and reads
// the guest's console as the output of a [testkit.Run]. The guest has the machine's
// /usr, read-only. Nothing that a guest does affects the machine, and a guest ends
// with its test.
//
// Only tests import it.
package guest
