package supervisor

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// instant is a world in which everything succeeds at once; its facts are
// applied by the benchmark.
type instant struct{ facts []Fact }

func (w *instant) Now() time.Time                   { return time.Unix(1e9, 0) }
func (w *instant) Clock() time.Time                 { return w.Now() }
func (w *instant) After(time.Duration, Fact) func() { return func() {} }
func (w *instant) Probe(RunID)                      {}
func (w *instant) Shutdown(RunID, project.Shutdown) {}
func (w *instant) Say(string, servicelog.Tone)      {}
func (w *instant) Kill(id RunID)                    { w.Signal(id, 0, false) }
func (w *instant) GiveUp(RunID) string              { return "" }
func (w *instant) Cancel(id RunID)                  { w.Signal(id, 0, false) }
func (w *instant) Spawn(r Run)                      { w.facts = append(w.facts, Fact{Kind: Spawned, Run: r.ID, PID: 1}) }
func (w *instant) Signal(id RunID, _ project.Signal, _ bool) {
	w.facts = append(w.facts, Fact{Kind: Exited, Run: id})
}

// What the engine itself costs: to start and stop so many services, each of
// which depends on the one before it.
func BenchmarkChain(b *testing.B) { benchmarkLife(b, true, 20, 500) }

// The same of services that don't depend on each other.
func BenchmarkApart(b *testing.B) { benchmarkLife(b, false, 10, 100, 1000) }

func benchmarkLife(b *testing.B, chained bool, counts ...int) {
	for _, n := range counts {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var lines []string
			for i := range n {
				line := fmt.Sprintf("s%03d:", i)
				if chained && i > 0 {
					line += fmt.Sprintf(" s%03d=ready", i-1)
				}
				lines = append(lines, line)
			}
			p := services(lines...)
			opts := Options{Log: slog.New(slog.DiscardHandler)}
			opts.setDefaults()
			for b.Loop() {
				w := &instant{}
				c := newCore(p, w, opts)
				work := func() {
					for len(w.facts) > 0 {
						f := w.facts[0]
						w.facts = w.facts[1:]
						c.fact(f)
						c.settle()
					}
				}
				c.begin()
				work()
				c.downAsked()
				work()
				if !c.ended() {
					b.Fatal("not ended")
				}
			}
		})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf("s%02d:", i))
	}
	opts := Options{}
	opts.setDefaults()
	c := newCore(services(lines...), &instant{}, opts)
	c.begin()
	for b.Loop() {
		c.snapshot()
	}
}
