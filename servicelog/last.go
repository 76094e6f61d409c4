package servicelog

import (
	"bytes"
	"slices"
	"sync"
)

const (
	lastLines = 8   // of each stream are remembered
	lastBytes = 300 // of each of them
)

// last remembers the end of a stream: a few lines, which usually say why a process has
// ended. However many lines are read at once, it copies no more than those.
type last struct {
	mu    sync.Mutex
	lines [][]byte
}

func (l *last) add(lines []line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range lines[max(0, len(lines)-lastLines):] {
		if len(bytes.TrimSpace(line.text)) == 0 {
			continue
		}
		var own []byte
		if len(l.lines) == lastLines {
			own = l.lines[0]
			l.lines = append(l.lines[:0], l.lines[1:]...)
		}
		l.lines = append(l.lines, append(own[:0], line.text[:min(len(line.text), lastBytes)]...))
	}
}

// Last returns the last few lines of the run that are not empty, cut if they are long.
// They are from stderr, or from stdout if nothing was printed there. Call it after
// Drain.
func (r *Run) Last() []string {
	for _, p := range slices.Backward(r.pipes[:]) {
		p.last.mu.Lock()
		var out []string
		for _, text := range p.last.lines {
			out = append(out, string(bytes.ToValidUTF8(text, []byte("\uFFFD"))))
		}
		p.last.mu.Unlock()
		if len(out) > 0 {
			return out
		}
	}
	return nil
}
