package testkit

import (
	"bytes"
	"slices"
	"strings"
	"sync"
)

// A Buffer can be read while it is written. The zero value is empty.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns all that was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// LineWith waits for a line with all words, and returns the last one; "": none has come.
func (b *Buffer) LineWith(words ...string) (found string) {
	Eventually(func() bool {
		for line := range strings.Lines(b.String()) {
			if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
				found = line
			}
		}
		return found != ""
	})
	return found
}
