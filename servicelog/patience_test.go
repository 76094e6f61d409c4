package servicelog

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatience wants a pipe to wait for a stdout that moves no longer than its
// credit, no longer than it takes, and not at all for one that stands still.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		free := make(chan struct{})
		h, err := Open(Options{Stdout: blocked{&out, free}})
		if err != nil {
			t.Fatal(err)
		}
		o := h.out
		waits := func(size int, credit time.Duration) (waited, left time.Duration) {
			began, told := time.Now(), 0
			left = o.expect(size, credit, func() {
				if told++; time.Since(began) != 0 {
					t.Error("it was told of the wait after it")
				}
			})
			if waits := time.Since(began) > 0; told > 1 || waits != (told == 1) {
				t.Errorf("told %d times of a wait of %v", told, time.Since(began))
			}
			o.mu.Lock()
			o.expected -= size
			o.mu.Unlock()
			return time.Since(began), left
		}
		const some = 16 << 10
		earned := time.Duration(some) * time.Second / slowest
		want := func(what string, size int, credit, waited, left time.Duration) {
			t.Helper()
			if w, l := waits(size, credit); w != waited || l != left {
				t.Errorf("%s: waited %v with %v left, want %v and %v", what, w, l, waited, left)
			}
		}
		h.Say("x")
		synctest.Wait() // it is being written
		want("empty queue", 1<<30, 7*time.Millisecond, 0, patience)
		h.Say(strings.Repeat("b", outputLimit/2))
		room := outputLimit - len(o.queue)
		want("it just fits", room, 0, 0, time.Duration(room)*time.Second/slowest)
		want("full", room+1, 0, time.Duration(room+1)*time.Second/slowest, 0)
		o.expected = room // somebody else is about to fill it
		want("taken", some, 4*time.Millisecond, 4*time.Millisecond+earned, 0)
		o.expected = 0
		h.Say(strings.Repeat("c", outputLimit)) // a backlog
		want("behind", some, 6*time.Millisecond, 6*time.Millisecond+earned, 0)
		go func() {
			time.Sleep(3 * time.Millisecond)
			close(free)
		}()
		want("it moves on", some, 6*time.Millisecond, 3*time.Millisecond, 3*time.Millisecond+earned)
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		want("closed", outputLimit*2, 0, 0, patience)
	})
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		h, err := Open(Options{Stdout: blocked{new(bytes.Buffer), free}})
		if err != nil {
			t.Fatal(err)
		}
		h.Say("x")
		synctest.Wait()
		h.Say(strings.Repeat("b", outputLimit))
		time.Sleep(tick)
		synctest.Wait()
		began := time.Now()
		if h.out.expect(outputLimit, patience, nil); time.Since(began) != 0 {
			t.Errorf("waited %v for a stdout that stands still", time.Since(began))
		}
		close(free)
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestQueueIsBounded: what waits for stdout takes no more memory than it may,
// and is filled to the last byte.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		h, err := Open(Options{Stdout: blocked{new(bytes.Buffer), free}})
		if err != nil {
			t.Fatal(err)
		}
		h.Say("x")
		synctest.Wait() // it is being written
		h.Say(strings.Repeat("b", outputLimit/2))
		const frame = len("[nix2gpu] \n")
		o := h.out
		h.Say(strings.Repeat("c", outputLimit-len(o.queue)-frame))
		if len(o.queue) != outputLimit || o.behind != nil {
			t.Errorf("%d bytes wait, behind them %v; want %d and nothing", len(o.queue), o.behind, outputLimit)
		}
		h.Say("d")
		if len(o.queue) != outputLimit || o.behind == nil {
			t.Errorf("%d bytes wait, behind them %v; want %d and a backlog", len(o.queue), o.behind, outputLimit)
		}
		close(free)
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
