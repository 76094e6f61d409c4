package cli

import (
	"bytes"
	"slices"

	"nix2gpu/servicelog"
)

// A tail holds back what is there already, to pass on only the last lines of
// each service: a service can have several logs, one a process.
type tail struct {
	lines int // 0: everything passes at once
	label func(source string) string
	held  []servicelog.Record
}

// add takes a record, and reports whether it holds it back.
func (t *tail) add(rec servicelog.Record) bool {
	if t.lines <= 0 {
		return false
	}
	rec.Message = bytes.Clone(rec.Message) // valid only until the next one
	t.held = append(t.held, rec)
	return true
}

// release returns what was held back and is to be shown, and holds back
// nothing from now on.
func (t *tail) release() []servicelog.Record {
	seen, keep := map[string]int{}, map[string]bool{}
	var shown []servicelog.Record
	for _, rec := range slices.Backward(t.held) {
		if !rec.Partial() { // a piece goes with the end of its line
			label := t.label(rec.Source)
			keep[rec.Source] = seen[label] < t.lines
			seen[label]++
		}
		if keep[rec.Source] {
			shown = append(shown, rec)
		}
	}
	t.held, t.lines = nil, 0
	slices.Reverse(shown)
	return shown
}
