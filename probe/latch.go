package probe

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"nix2gpu/project"
)

// A latch is set once and stays set. The zero value is ready to use.
type latch struct {
	mu   sync.Mutex
	ch   chan struct{}
	done bool
	why  string
}

// set returns a channel that is closed once the latch is set.
func (l *latch) set() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.channel()
}

func (l *latch) channel() chan struct{} {
	if l.ch == nil {
		l.ch = make(chan struct{})
	}
	return l.ch
}

func (l *latch) fire(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.done {
		l.done, l.why = true, why
		close(l.channel())
	}
}

func (l *latch) fired() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done
}

func (l *latch) message() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// logWatch waits for a line of output that matches.
type logWatch struct {
	latch   latch
	matches func([]byte) bool
}

func newLogWatch(c *project.LogCheck) (*logWatch, error) {
	switch {
	case c.Pattern != "":
		re, err := regexp.Compile(c.Pattern)
		if err != nil {
			return nil, fmt.Errorf("invalid regular expression in the ready line: %v", err)
		}
		return &logWatch{matches: re.Match}, nil
	case c.Contains != "":
		want := []byte(c.Contains)
		return &logWatch{matches: func(b []byte) bool { return bytes.Contains(b, want) }}, nil
	}
	return nil, errors.New("the ready line is empty, and would match anything")
}

func (w *logWatch) line(b []byte) {
	if !w.latch.fired() && w.matches(b) {
		w.latch.fire("printed: " + string(b[:min(len(b), 200)]))
	}
}
