package cli

import "nix2gpu/servicelog"

// A tail passes on only the last lines of each service of what is there
// already: a service can have several logs, one a process, and of each of them
// the last lines are read. It counts them first, so that none is held.
type tail struct {
	lines  int
	label  func(source string) string
	excess map[string]int // of each label, how many lines are left out
}

// count takes a record of the first pass.
func (t *tail) count(rec servicelog.Record) {
	if rec.Partial() { // a piece goes with the end of its line
		return
	}
	if t.excess == nil {
		t.excess = map[string]int{}
	}
	label := t.label(rec.Source)
	if _, ok := t.excess[label]; !ok {
		t.excess[label] = -t.lines
	}
	t.excess[label]++
}

// skips reports whether a record of the second pass is left out.
func (t *tail) skips(rec servicelog.Record) bool {
	label := t.label(rec.Source)
	if t.excess[label] <= 0 {
		return false
	}
	if !rec.Partial() {
		t.excess[label]--
	}
	return true
}
