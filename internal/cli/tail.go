package cli

import "nix2gpu/servicelog"

// A tail selects the last lines of each service. A query reads the last lines of
// each log, but a service has one log for each of its processes. A first pass counts
// the lines, so that none has to be held in memory.
type tail struct {
	lines  int
	label  func(source string) string
	excess map[string]int // by label: how many lines to leave out
}

// count counts a record in the first pass.
func (t *tail) count(rec servicelog.Record) {
	if rec.Partial() { // a line is counted at its end
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

// skips reports whether the second pass leaves a record out.
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
