// Command peers measures process supervisors beside each other, and beside what the
// machine can do at all: the raw floor, a program of a hundred lines that starts, kills
// and asks in the shortest way and keeps nothing.
//
// Each row of its table is one everyday job. A round does the job once under each
// supervisor in turn, so that other load affects all of them; the table has the median
// of the rounds, and a supervisor's losses as plainly as its wins. README.md says how to
// run it, what each row means, and how to measure a supervisor that it does not know.
package main
