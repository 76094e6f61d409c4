// Package process starts, signals and reaps the processes of services.
//
// A supervising program makes one [Host] and starts everything through it: the Host
// alone waits for children, so it can reap orphans (as PID 1 or as a subreaper) without
// ever losing the status of a [Process]. A Process is done when nothing that it has
// started is left, wherever its descendants hide, unless its [Mode] leaves them alone.
// No signal is ever sent to a number that may be another process's by now.
//
// All of it is safe for concurrent use. The package knows nothing of services,
// projects or restarts, and nothing else in the program forks, waits or kills.
package process

/*
How the promises are kept.

Leaders are held. The reaper looks at a dead child with WNOWAIT. It reaps an orphan at
once, but the leader of a service stays a zombie until all of its descendants are gone,
so that nobody else can get its number as a pid, a process group or a session while we
still signal it. waitid(P_ALL) would always find that zombie first. So while one is held,
the reaper asks for each known leader by number, and finds orphans in our list of
children.

Orphans belong to the main thread. The kernel gives orphans to the first living thread
of a subreaper, which is the main thread, and services are forked by other threads. So
/proc/self/task/<pid>/children lists the orphans alone, and "did this service leave
anything?" is one read of a file that is mostly empty.

Forks happen on a locked thread, because the parent-death signal is about the thread that
has forked, not about its process. That thread has its own umask (CLONE_FS unshared) and
its own descriptors (see ownTable), and a second one has no_new_privs set, so none of this
needs an extra exec. What can't be had that
way (rlimits, capabilities, Landlock) takes a short exec of our own binary: see
LaunchMain.

Descendants are found by what they can hardly shed all at once: the chain of parents,
session, process group, NIX2GPU_COOKIE in the environment, the pipes that they write to,
and a mark among their limits (see newMark).

The guard is the parent of the supervisor, which is that of the services. The guard is
what the user has started. Both are subreapers.

	killed       what happens then
	service      its orphans come to the supervisor, which ends them
	supervisor   the kernel sends the services their stop signal, and makes all
	             that it ran children of the guard, which ends them and exits
	guard        the supervisor sees the end of their socket and stops at once
	both         the services get their stop signal; descendants that hide are
	             found by the next Host with the same journal, by cookie, by
	             pipe or by mark

What can't be killed, since it waits for a device, is waited for once. Whoever has waited
for it gives it up, and the Host notes that for its own end and in the list for the guard.
Both go on killing all else, and wait for that.

The guard costs little because it does nothing: the supervisor keeps a list in memory of
what runs, which the guard reads when the supervisor has died.

The supervisor has a process group of its own, so that Ctrl-C reaches it once, through
the guard. As PID 1 it has no guard, since its end is the container's.
*/
