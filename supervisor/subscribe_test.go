package supervisor

import (
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

func TestSubscribe(t *testing.T) {
	play(t, services("a: restart=always delay=1s"), map[project.ID]any{"a": act{lasts: time.Millisecond}}, Options{}, func(s *scene) {
		sub, err := s.Subscribe(ctx, 0)
		s.must(err)
		snap, events, cancel := sub.Snapshot, sub.Events, sub.Cancel
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
		sub, err := s.Subscribe(ctx, 0)
		s.must(err)
		events, cancel := sub.Events, sub.Cancel
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

// Whoever comes back hears what came meanwhile, or that this is not known any more.
func TestSubscribeAgain(t *testing.T) {
	play(t, services("a: restart=always delay=1s"), map[project.ID]any{"a": act{lasts: time.Millisecond}}, Options{}, func(s *scene) {
		first, err := s.Subscribe(ctx, 0)
		s.must(err)
		if first.Resumed || len(first.Missed) > 0 {
			t.Errorf("without a number: %+v", first)
		}
		s.pass(10 * time.Second)
		for _, after := range []uint64{1, first.Seq, first.Seq + 3} {
			again, err := s.Subscribe(ctx, after)
			s.must(err)
			if !again.Resumed || len(again.Missed) != int(again.Seq-after) {
				t.Errorf("after %d of %d: %d events, %t", after, again.Seq, len(again.Missed), again.Resumed)
			}
			for i, ev := range again.Missed {
				if ev.Seq != after+uint64(i)+1 {
					t.Errorf("after %d: event %d is %d", after, i, ev.Seq)
				}
			}
			next := again.Seq + 1
			s.pass(5 * time.Second)
			if ev := <-again.Events; ev.Seq != next {
				t.Errorf("after %d events goes on with %d, want %d", after, ev.Seq, next)
			}
			again.Cancel()
		}
		s.pass(10 * time.Minute) // more than are kept
		last, err := s.Subscribe(ctx, 0)
		s.must(err)
		for after, kept := range map[uint64]bool{1: false, last.Seq - keptEvents - 1: false, last.Seq - keptEvents: true, last.Seq: true, last.Seq + 1: false} {
			again, err := s.Subscribe(ctx, after)
			s.must(err)
			if again.Resumed != kept || kept && len(again.Missed) != int(last.Seq-after) {
				t.Errorf("after %d of %d: %d events, %t, want %t", after, last.Seq, len(again.Missed), again.Resumed, kept)
			}
			for i, ev := range again.Missed {
				if ev.Seq != after+uint64(i)+1 {
					t.Errorf("after %d: event %d is %d", after, i, ev.Seq)
				}
			}
		}
	})
}
