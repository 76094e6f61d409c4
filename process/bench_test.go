package process_test

import (
	"testing"

	"nix2gpu/process"
)

// BenchmarkStartToDone is the cost of a process that ends at once.
func BenchmarkStartToDone(b *testing.B) {
	h, err := process.New(process.Options{Journal: b.TempDir() + "/journal"})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for b.Loop() {
		p, err := h.Start(process.Spec{Argv: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		<-p.Done()
	}
}

// BenchmarkHost is what there is to pay once: a host that has run a process,
// beside whatever else the machine runs.
func BenchmarkHost(b *testing.B) {
	journal := b.TempDir() + "/journal"
	for b.Loop() {
		h, err := process.New(process.Options{Journal: journal})
		if err != nil {
			b.Fatal(err)
		}
		p, err := h.Start(process.Spec{Argv: []string{"/bin/true"}})
		if err != nil {
			b.Fatal(err)
		}
		<-p.Done()
		if err := h.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkThousand starts a thousand services and ends them.
func BenchmarkThousand(b *testing.B) {
	h, err := process.New(process.Options{Journal: b.TempDir() + "/journal"})
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	for b.Loop() {
		var procs []*process.Process
		for range 1000 {
			p, err := h.Start(process.Spec{Argv: []string{"/bin/sleep", "1000"}})
			if err != nil {
				b.Fatal(err)
			}
			procs = append(procs, p)
		}
		for _, p := range procs {
			p.Terminate(0, false)
		}
		for _, p := range procs {
			<-p.Done()
		}
	}
}
