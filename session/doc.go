// Package session runs one project, from its first lock to its last file.
//
// It is the root of the runtime wing: the only place that puts the run folder,
// the processes, the logs, the engine and the control server together. A
// session starts from a [Job], which holds a validated project. Before that,
// [Machine.Preconditions] says what on this machine would make services fail
// at once; a reload is asked the same question before the engine sees it.
//
// The package reads no definition and no command line, and executes nothing:
// what evaluates a definition anew is a child that package process starts.
package session
