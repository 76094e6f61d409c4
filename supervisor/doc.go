// Package supervisor keeps a project's services in their wanted state.
//
// One goroutine, started by [Engine.Run], owns all state: everyone else sends
// it facts and requests, and receives copies. What a service does next is
// decided by a table of arrows and pure functions; what has to be done about
// it is handed to a [World], whose outcomes come back as facts. Nothing in the
// goroutine ever waits for a process, a probe, a file or a reader.
//
// The package knows nothing of Nix, YAML or HTTP: package project says what
// runs, package control has the words in which the engine answers, since what
// it knows of a service is what travels. [Machine] is the real World; the tests
// have two others.
package supervisor

//go:generate go test . -run StatesPage -update

/*
How a fact becomes an effect.

A fact (a process exited) is looked at in facts.go together with all that
decides what it means: the restart policy, how long the process ran, which
one-shots are left. That judgement (judge.go, pure) gives a Kind, such as
Retry. The table in state.go says where the Kind leads and with which effects;
feed enters the state and launches them. Guards are therefore never in the
table, and the table never has a condition.

enter is the only place where a state changes. It speaks to the operator and
writes the log; feed, its only caller, tells the observers: these can't disagree. After each fact
or request, settle lets the change have its consequences: dependants look
again, waiting callers are answered, a project with nothing left to do ends.
Dependants are looked at from a list and not by recursion, so that a chain of
any length needs no stack, and everybody sees the same moment.

A service never has two live runs of one process, because the only way from a
state in which something lives to one that spawns leads through Exited. A
World reports Exited when nothing of the run is left, so Stopping, Restarting
and Ending end on a fact and not on a hope.

A timer is a row in core's table, and is cancelled by forgetting it: one that
had fired already when it was cancelled finds nothing to do. What has a
lifetime of its own (a request, an attempt, a streak of failures, the wait
before a restart) is one field of a service, so that its end is one
assignment and nothing is left over.

The simulation (simulation_test.go) drives core without the goroutine. When
it finds something, it prints the seed.
*/
