package supervisor

import (
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

func TestSubscribe(t *testing.T) {
	play(t, services("a: restart=always delay=1s"), map[project.ID]any{"a": act{lasts: time.Millisecond}}, Options{}, func(s *scene) {
		snap, events, cancel, err := s.Subscribe(ctx)
		s.must(err)
		from := snap.Services[0].State
		s.pass(10 * time.Minute) // nobody reads: events are lost, nothing waits
		n, lost := 0, 0
		for range 256 {
			ev := <-events
			if ev.From != from {
				t.Errorf("event %d comes from %s, want %s", ev.Seq, ev.From, from)
			}
			from = ev.Service.State
			if why := ev.Service.Why; from == control.Backoff && why != "exit code 0; restarts in 1s" {
				t.Errorf("event %d says %q", ev.Seq, why)
			}
			n++
		}
		s.pass(time.Minute)
		for lost == 0 {
			ev := <-events
			lost = ev.Lost
		}
		if lost < 1000 {
			t.Errorf("lost = %d", lost)
		}
		cancel()
		for range events { // closed
		}
	})
}

// However slow a reader is, the last that it hears of a service is how that is.
func TestSlowSubscriberHearsTheEnd(t *testing.T) {
	play(t, services("a: restart=always delay=1s max=200", "b: restart=always delay=1s max=300", "c"), map[project.ID]any{
		"a": act{lasts: time.Millisecond, code: 3}, "b": act{lasts: time.Millisecond, code: 4},
	}, Options{}, func(s *scene) {
		_, events, cancel, err := s.Subscribe(ctx)
		s.must(err)
		s.pass(10 * time.Minute) // nobody reads, and then nothing happens any more
		last, lost := map[project.ID]control.ServiceState{}, 0
		var first, seq uint64
		for range 256 + 2 {
			ev := <-events
			if from, known := last[ev.Service.ID]; known && from != ev.From || ev.Seq <= seq {
				t.Errorf("event %d of %s comes from %s, after %d, %s", ev.Seq, ev.Service.ID, ev.From, seq, from)
			}
			if first == 0 {
				first = ev.Seq
			}
			last[ev.Service.ID], seq = ev.Service.State, ev.Seq
			lost += ev.Lost
		}
		if last["a"] != control.Failed || last["b"] != control.Failed {
			t.Errorf("the last that was heard: %v", last)
		}
		if got := int(seq-first) + 1; got != 256+2+lost {
			t.Errorf("heard %d of %d events, and of %d that they were lost", 256+2, got, lost)
		}
		cancel()
	})
}
