// Package process starts, signals and reaps the processes of services.
//
// A supervising program makes one [Host] and starts everything through it:
// the Host is the only waiter of the program, so it can reap orphans (as PID 1
// or as a subreaper) without ever losing the status of a [Process]. A Process
// is done when nothing that it started is left, wherever its descendants hid;
// a [Spec] of another [Mode] leaves them alone. No signal is ever sent to a
// number that may belong to somebody else by now.
//
// All of it is safe for concurrent use. The package knows nothing of services,
// projects or restarts, and nothing else in the program forks, waits or kills.
package process

/*
How the promises are kept.

Leaders are held. The reaper looks at a dead child with WNOWAIT. An orphan is
reaped at once. The leader of a service stays a zombie until its group and its
other descendants are gone, so neither its pid nor its process group nor its
session can be given to a stranger while we still signal it. A held zombie is
always the first that waitid(P_ALL) finds, so while one is held the reaper asks
for each known leader by number, and for orphans by reading our children list.

Orphans hang on the main thread. The kernel gives orphans to the first living
thread of the reaper, which is the main thread; services are forked by other
threads. So /proc/self/task/<pid>/children lists just the orphans, and "did
this service leave anything?" is one read of a mostly empty file.

Forks happen on a locked thread, because the parent-death signal is bound to
the forking thread and not to the process. That thread has its own umask
(CLONE_FS unshared), and a second one has no_new_privs set, so neither setting
needs an extra exec. What cannot be had so (rlimits, capabilities, Landlock)
goes through a short exec of our own binary, see LaunchMain.

Descendants are found by what they cannot shed all at once: parent chain,
session, process group, NIX2GPU_COOKIE in the environment, and the pipes that
they write to.

Who is whose parent: guard, supervisor, services. The guard is what the user
has started; the supervisor is its child, and both take orphans.

	killed       what then
	service      its orphans come to the supervisor, which ends them
	supervisor   the kernel sends the services their stop signal, and makes all
	             that it ran children of the guard, which ends them and exits
	guard        the supervisor sees the end of their socket and stops at once
	both         the services get their stop signal; what has hidden is found by
	             the next Host with the same journal, by cookie or by pipe
	             (nothing finds what kept neither: it has shed all there is)

The guard costs little because it does nothing: what runs is in a list in
memory, which the supervisor keeps and the guard reads when it has died.

The supervisor has a process group of its own, so that Ctrl-C reaches it once,
by way of the guard. As PID 1 it has no guard: its end is the container's.
*/
