package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// A Row is one line of the table: a job, and what is measured of it.
type Row struct {
	Name   string
	Job    string // what it is, for readers
	Values []Value
	// Run does the job once and returns the values in their order.
	Run func(ctx context.Context, b *bench, peer Peer) ([]float64, error)
}

// A Value is one figure of a row.
type Value struct {
	Name   string
	Unit   string
	Larger bool // the larger the better
}

// A bench is what all rows share: the sizes of the jobs.
type bench struct {
	dir     string // for the places
	self    string // this program, which is also the workload
	lines   int    // all writers together
	window  time.Duration
	settle  time.Duration // how long a supervisor has until its memory is measured
	restart int           // restarts in a row
	kills   int           // of a service that restarts at once
	scale   float64       // of the number of services, for a short look
}

// n scales a number of services.
func (b *bench) n(services int) int { return max(2, int(float64(services)*b.scale)) }

// rows are all rows, in the order of the table.
func rows() []Row {
	started := []Value{{Name: "until all run", Unit: "ms"}}
	lines := []Value{
		{Name: "lines through", Unit: "MB/s", Larger: true}, {Name: "processor time", Unit: "s/GB"},
		{Name: "memory, the most", Unit: "MB"}, {Name: "lines lost", Unit: ""}, {Name: "lines torn", Unit: ""},
	}
	return []Row{
		{"lines-1", "one writer of 100-byte lines, to stdout and a rotated file", lines, writers(1)},
		{"lines-8", "eight writers", lines, writers(8)},
		{"http", "100 HTTP probes a second", []Value{{Name: "processor time a probe", Unit: "µs"}, {Name: "probes a second", Unit: "", Larger: true}}, httpProbes},
		{"exec", "100 exec probes a second", []Value{{Name: "processor time a probe", Unit: "µs"}}, execProbes},
		{"memory", "idle services", []Value{{Name: "memory with 10", Unit: "MiB"}, {Name: "per further service", Unit: "KiB"}}, memory},
		{"start-10", "start of 10, the definition evaluated", started, starts(10)},
		{"start-100", "start of 100", started, starts(100)},
		{"start-1000", "start of 1000", started, starts(1000)},
		{"chain", "20 services that wait for each other and need 10 ms", []Value{{Name: "until the last is ready", Unit: "ms"}}, chain},
		{"stop", "stop of 100", []Value{{Name: "until nothing is left", Unit: "ms"}}, stop},
		{"restart", "a service is killed and restarts at once", []Value{{Name: "until it runs again", Unit: "ms"}}, restart},
		{"ps", "states of 100 services", []Value{{Name: "the command", Unit: "ms"}, {Name: "the version alone", Unit: "ms"}}, status},
		{"restarts", "a service that ends at once, again and again", []Value{{Name: "processor time a restart", Unit: "ms"}, {Name: "memory gained", Unit: "KiB"}}, restarts},
	}
}

// measure makes a place, runs a set of services in it, and passes both to job once the
// services have told that they run.
func (b *bench) holding(ctx context.Context, peer Peer, n int, adapt func(*place, *Set) error, job func(r *run, last time.Time, pids map[string]int) error) error {
	p, err := newPlace(b.dir)
	if err != nil {
		return err
	}
	defer p.remove()
	set, err := p.holders(n)
	if err != nil {
		return err
	}
	if adapt != nil {
		if err := adapt(p, &set); err != nil {
			return err
		}
	}
	r, err := start(p, peer, set, nil)
	if err != nil {
		return err
	}
	defer r.close()
	last, pids, err := r.all(ctx, n)
	if err != nil {
		return err
	}
	return job(r, last, pids)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// starts measures from the command to the last service's first step.
func starts(n int) func(context.Context, *bench, Peer) ([]float64, error) {
	return func(ctx context.Context, b *bench, peer Peer) (got []float64, err error) {
		err = b.holding(ctx, peer, b.n(n), nil, func(r *run, last time.Time, _ map[string]int) error {
			got = []float64{ms(last.Sub(r.began))}
			return nil
		})
		return got, err
	}
}

// stop measures the end of 100 services that end at the first signal.
func stop(ctx context.Context, b *bench, peer Peer) (got []float64, err error) {
	err = b.holding(ctx, peer, b.n(100), nil, func(r *run, _ time.Time, _ map[string]int) error {
		if err := pause(ctx, b.settle/4); err != nil {
			return err
		}
		took, err := r.stop()
		got = []float64{ms(took)}
		return err
	})
	return got, err
}

// memory measures a supervisor at rest, with 10 and with 100 services.
func memory(ctx context.Context, b *bench, peer Peer) ([]float64, error) {
	few, many := 10, b.n(100)+10
	var kib []int
	for _, n := range []int{few, many} {
		err := b.holding(ctx, peer, n, nil, func(r *run, _ time.Time, _ map[string]int) error {
			err := pause(ctx, b.settle)
			kib = append(kib, pss(r.cmd.Process.Pid))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return []float64{float64(kib[0]) / 1024, float64(kib[1]-kib[0]) / float64(many-few)}, nil
}

// restart measures how long a killed service is away. It has run for long enough that
// no supervisor has a reason to hold it back.
func restart(ctx context.Context, b *bench, peer Peer) (got []float64, err error) {
	again := func(_ *place, set *Set) error {
		set.Services[0].Restart = true
		return nil
	}
	err = b.holding(ctx, peer, 1, again, func(r *run, _ time.Time, pids map[string]int) error {
		pid := pids["s0"]
		var took []time.Duration
		for range b.kills {
			if err := pause(ctx, b.settle/4); err != nil {
				return err
			}
			at := time.Now()
			if err := kill(pid); err != nil {
				return err
			}
			t, err := r.next(ctx)
			if err != nil {
				return err
			}
			took = append(took, t.at.Sub(at))
			pid = int(t.number)
		}
		got = []float64{ms(median(took))}
		return nil
	})
	return got, err
}

// status measures the command that people type most, and what any command of that
// program takes.
func status(ctx context.Context, b *bench, peer Peer) (got []float64, err error) {
	if peer.Status == nil {
		return nil, errUnsupported
	}
	err = b.holding(ctx, peer, b.n(100), nil, func(r *run, _ time.Time, _ map[string]int) error {
		if err := pause(ctx, b.settle/4); err != nil {
			return err
		}
		var states, versions []time.Duration
		for range 10 {
			took, err := timed(peer.Status(r.place), true)
			if err != nil {
				return err
			}
			states = append(states, took)
			if took, err = timed(peer.Version(), false); err != nil {
				return err
			}
			versions = append(versions, took)
		}
		got = []float64{ms(median(states)), ms(median(versions))}
		return nil
	})
	return got, err
}

// timed runs a command to its end. If strict is set, it must succeed.
func timed(cmd *exec.Cmd, strict bool) (time.Duration, error) {
	at := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(at)
	if err != nil && strict {
		return 0, fmt.Errorf("%s: %v: %s", cmd, err, out)
	}
	return took, nil
}

// chain measures a chain in which each service is ready after 10 ms.
func chain(ctx context.Context, b *bench, peer Peer) ([]float64, error) {
	n := b.n(20)
	for _, ready := range []string{"line", "fd"} {
		p, err := newPlace(b.dir)
		if err != nil {
			return nil, err
		}
		defer p.remove()
		var set Set
		for i := range n {
			s := Service{Name: "s" + strconv.Itoa(i), Ready: ready}
			say := "echo ready\n"
			if ready == "fd" {
				say = "echo ready >&3\n"
			}
			path, err := p.script(s.Name, "link", "sleep 0.01\n"+say+p.told(s.Name)+p.hold())
			if err != nil {
				return nil, err
			}
			s.Command = []string{path}
			if i > 0 {
				s.After = "s" + strconv.Itoa(i-1)
			}
			set.Services = append(set.Services, s)
		}
		r, err := start(p, peer, set, nil)
		if err == errUnsupported {
			continue // by the other sign of readiness, then
		}
		if err != nil {
			return nil, err
		}
		defer r.close()
		last, _, err := r.all(ctx, n)
		if err != nil {
			return nil, err
		}
		return []float64{ms(last.Sub(r.began))}, nil
	}
	return nil, errUnsupported
}

// restarts measures a service that ends at once, with what the supervisor keeps of it.
func restarts(ctx context.Context, b *bench, peer Peer) ([]float64, error) {
	p, err := newPlace(b.dir)
	if err != nil {
		return nil, err
	}
	defer p.remove()
	path, err := p.script("s0", "exit", p.told("s0"))
	if err != nil {
		return nil, err
	}
	r, err := start(p, peer, Set{Services: []Service{{Name: "s0", Command: []string{path}, Restart: true}}}, nil)
	if err != nil {
		return nil, err
	}
	defer r.close()
	// A tenth of them warms up. Who waits a second before each restart, as some do,
	// isn't asked for more than a few.
	count := b.restart
	warm := count / 10
	var before time.Duration
	var memory int
	for i := range count + warm {
		if i == warm {
			before, memory = cpu(r.cmd.Process.Pid), pss(r.cmd.Process.Pid)
		}
		if i == 3 && time.Since(r.began) > 2*time.Second {
			return nil, errUnsupported
		}
		if _, err := r.next(ctx); err != nil {
			return nil, err
		}
	}
	used := cpu(r.cmd.Process.Pid) - before
	return []float64{ms(used) / float64(count), float64(pss(r.cmd.Process.Pid) - memory)}, nil
}

// kill ends a service as a crash would.
func kill(pid int) error {
	proc, err := os.FindProcess(pid)
	if err == nil {
		err = proc.Kill()
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
