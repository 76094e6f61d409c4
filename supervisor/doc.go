// Package supervisor keeps a project's services in their wanted state.
//
// One goroutine, started by [Engine.Run], owns all state: everyone else sends
// it facts and requests, and receives copies. What a service does next is
// decided by a table of arrows (see state.go) and pure functions (judge.go);
// what has to be done about it is handed to a [World], whose outcomes come
// back as facts. Nothing in the goroutine ever waits for a process, a probe,
// a file or a reader.
//
// The package knows nothing of Nix, YAML or HTTP: package project says what
// runs, package control serves what [Engine] offers.
package supervisor
