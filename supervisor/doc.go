// Package supervisor keeps a project's services in their wanted state.
//
// One goroutine, started by [Engine.Run], owns all state: everyone else sends it facts
// and requests, and receives copies. A table of transitions and pure functions decide
// what a service does next. A [World] does what has to be done about it and reports the
// outcome as facts. The goroutine never waits for a process, a probe, a file or a reader.
//
// The package knows nothing of Nix, YAML or HTTP: package project says what runs, and
// package control has the types of the engine's answers. [Machine] is the real World;
// the tests have two others.
package supervisor

//go:generate go test . -run StatesPage -update

/*
How a fact becomes an effect.

facts.go takes a fact, such as that a process has exited, together with all that decides
what it means: the restart policy, how long the process ran, which one-shots are left. The
verdict (judge.go, pure) is a Kind, such as Retry. The table in state.go says to which
state the Kind leads, and with which effects. feed enters the state and launches the
effects. So the table has no conditions.

enter is the only place where a state changes. It announces the change to the operator and
in the log, and feed, its only caller, publishes it to observers, so these never disagree.
After each fact or request, settle brings about its consequences: dependants look again,
waiting callers are answered, and a project with nothing left to do ends. Dependants are
taken from a list and not by recursion, so that a chain of any length needs no stack, and
all of them see the same state.

A service never has two live runs of one process, because each way from a state in which
something lives to one that spawns leads through Exited. A World reports Exited once
nothing of the run is left, so Stopping, Restarting and Ending end with a fact, not on the
assumption of one.

A timer is an entry in core's table, and is cancelled by removing it: one that had fired
already finds nothing to do. What has a lifetime of its own (a request, an attempt, a
streak of failures, the wait before a restart) is one field of a service, so that one
assignment ends it and leaves nothing over.

The simulation (simulation_test.go) drives core without the goroutine. If it finds
something, it prints the seed.
*/
