package console

import (
	"context"
	"fmt"
	"io"
	"sync"
)

// A Size is that of a terminal, in characters.
type Size struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// unseen is the size of a terminal to which nobody was attached yet.
func unseen() Size { return Size{24, 80} }

// A Set has the consoles of a project. The zero value is empty.
type Set struct {
	mu       sync.Mutex
	consoles map[string]*Console
}

// Get returns the console of that name.
func (s *Set) Get(name string) *Console {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.consoles[name]
	if c == nil {
		if s.consoles == nil {
			s.consoles = make(map[string]*Console)
		}
		c = &Console{size: unseen(), attached: make(map[*Attachment]bool), typing: make(chan struct{}, 1)}
		s.consoles[name] = c
	}
	return c
}

// A Program is a terminal's side that a program does not see.
type Program interface {
	io.Writer // what is typed
	Resize(s Size)
}

// A Console is the terminal of one service, over all of its starts.
type Console struct {
	mu       sync.Mutex
	program  Program // nil: none runs
	size     Size
	attached map[*Attachment]bool
	typing   chan struct{} // has room for one
}

// Open connects a program that has just got the terminal, and returns its size.
func (c *Console) Open(p Program) Size {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.program = p
	return c.size
}

// Close disconnects it.
func (c *Console) Close(p Program) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.program == p {
		c.program = nil
	}
}

// Write shows what the program prints to all that are attached.
func (c *Console) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a := range c.attached {
		a.add(text)
	}
	return len(text), nil
}

// Type types for somebody who is not attached. It returns once the program's terminal has
// taken all of it, and reports false if no program runs. Where the program reads
// nothing, that may take until ctx ends.
func (c *Console) Type(ctx context.Context, text []byte) (bool, error) {
	select {
	case c.typing <- struct{}{}: // one at a time, so that few wait for a program that does not read
	case <-ctx.Done():
		return true, ctx.Err()
	}
	c.mu.Lock()
	p := c.program
	c.mu.Unlock()
	if p == nil {
		<-c.typing
		return false, nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.Write(text)
		<-c.typing
		done <- err
	}()
	select {
	case err := <-done:
		return err == nil, nil // else it has just ended
	case <-ctx.Done():
		return true, ctx.Err()
	}
}

// Attach adds somebody who sees what is printed from now on.
func (c *Console) Attach() *Attachment {
	a := &Attachment{of: c}
	a.change.L = &a.mu
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attached[a] = true
	return a
}

// maxBehind bounds what an attachment has not read yet, in bytes.
const maxBehind = 1 << 20

// An Attachment is one reader of a console, who may type.
type Attachment struct {
	of *Console

	mu      sync.Mutex
	change  sync.Cond
	text    []byte
	skipped int
	ended   bool
}

func (a *Attachment) add(text []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.text)+len(text) > maxBehind {
		a.skipped += len(a.text) + len(text)
		a.text = nil
	} else {
		a.text = append(a.text, text...)
	}
	a.change.Signal()
}

// Say shows a line of ours to this one alone, wherever the cursor is.
func (a *Attachment) Say(line string) { a.add([]byte("\r\n[nix2gpu] " + line + "\r\n")) }

// Read waits for what was printed. A reader that is too slow is told how much it has
// missed. The end is [io.EOF], after End.
func (a *Attachment) Read(buf []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.text) == 0 && a.skipped == 0 && !a.ended {
		a.change.Wait()
	}
	if a.skipped > 0 {
		a.text = append(fmt.Appendf(nil, "\r\n[nix2gpu] %d bytes were left out: this reader is too slow\r\n", a.skipped), a.text...)
		a.skipped = 0
	}
	if len(a.text) == 0 {
		return 0, io.EOF
	}
	n := copy(buf, a.text)
	if a.text = a.text[n:]; len(a.text) == 0 {
		a.text = nil
	}
	return n, nil
}

// Write types. While no program runs, what is typed is lost.
func (a *Attachment) Write(text []byte) (int, error) {
	a.of.mu.Lock()
	p := a.of.program
	a.of.mu.Unlock()
	if p == nil {
		return len(text), nil
	}
	if _, err := p.Write(text); err != nil {
		return len(text), nil // it has just ended
	}
	return len(text), nil
}

// Resize gives the terminal the size of this one. The last call counts. With
// redraw the program sees another size first, so that it draws all anew.
func (a *Attachment) Resize(s Size, redraw bool) {
	if s.Rows == 0 || s.Cols == 0 {
		return
	}
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.of.size = s
	if a.of.program == nil {
		return
	}
	if redraw {
		a.of.program.Resize(Size{s.Rows + 1, s.Cols})
	}
	a.of.program.Resize(s)
}

// End makes Read return what is left, and then io.EOF. Nothing is added after it.
func (a *Attachment) End() {
	a.of.mu.Lock()
	delete(a.of.attached, a)
	a.of.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.change.Broadcast()
}
