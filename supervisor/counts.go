package supervisor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// Counts are what has happened to one service since it is known.
type Counts struct {
	ID     project.ID
	Exits  map[ExitReason]uint64 // of main processes
	CPU    time.Duration         // of processes that have ended
	Ready  Histogram             // seconds from the beginning of a start until it was ready
	Probes map[project.ProbeRole]ProbeCounts
}

// ProbeCounts are those of the checks of one probe.
type ProbeCounts struct {
	Took   Histogram // seconds of a check
	Failed uint64    // checks that did not pass
}

// An ExitReason is a kind of end of a main process.
type ExitReason string

// The reasons; [ExitReasons] says what each means.
const (
	ExitCompleted  ExitReason = "completed"
	ExitFailed     ExitReason = "failed"
	ExitSignal     ExitReason = "signal"
	ExitOOM        ExitReason = "oom"
	ExitUnhealthy  ExitReason = "unhealthy"
	ExitStopped    ExitReason = "stopped"
	ExitNotStarted ExitReason = "not_started"
)

// ExitReasons is their reference.
func ExitReasons() map[ExitReason]string {
	return map[ExitReason]string{
		ExitCompleted:  "by itself, with success",
		ExitFailed:     "by itself, with another exit code",
		ExitSignal:     "by a signal that was not ours",
		ExitOOM:        "killed by the kernel for lack of memory",
		ExitUnhealthy:  "ended by us, because a probe failed, or the launch of a daemon took too long",
		ExitStopped:    "ended by us, for a stop or a restart",
		ExitNotStarted: "it could not be started",
	}
}

// readyBounds and probeBounds are the upper bounds of the buckets, in seconds.
func readyBounds() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
}

func probeBounds() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 10}
}

// A Histogram counts observations by size. The zero value has seen none.
type Histogram struct {
	Bounds  []float64 // upper bounds, ascending
	Buckets []uint64  // by bound, and at last those above; not cumulated
	Sum     float64
}

func (h *Histogram) observe(v float64, bounds func() []float64) {
	if h.Buckets == nil {
		h.Bounds = bounds()
		h.Buckets = make([]uint64, len(h.Bounds)+1)
	}
	i, _ := slices.BinarySearch(h.Bounds, v)
	h.Buckets[i]++
	h.Sum += v
}

func (h Histogram) clone() Histogram {
	h.Buckets = slices.Clone(h.Buckets)
	return h
}

// counts are those of a service, as the engine keeps them.
type counts struct {
	exits  map[ExitReason]uint64
	cpu    time.Duration
	ready  Histogram
	probes map[project.ProbeRole]*ProbeCounts
}

// ended counts the end of a run.
func (n *counts) ended(s *service, r *run, x project.Exit) {
	n.cpu += time.Duration(x.CPU)
	if r.role != project.Main {
		return
	}
	if n.exits == nil {
		n.exits = map[ExitReason]uint64{}
	}
	n.exits[exitReason(s, r, x)]++
}

func exitReason(s *service, r *run, x project.Exit) ExitReason {
	switch e := (end{exit: x, success: r.Process.SuccessCode}); {
	case x.Error != "":
		return ExitNotStarted
	case x.OOM:
		return ExitOOM
	case s.state == control.Ending && s.pending != nil && s.pending.ours:
		return ExitUnhealthy
	case s.state == control.Stopping, s.state == control.Restarting, s.state == control.Ending && r.stopping:
		return ExitStopped
	case !e.failed():
		return ExitCompleted
	case x.Signal != 0:
		return ExitSignal
	}
	return ExitFailed
}

// checked counts a check of a probe.
func (n *counts) checked(p control.Probe) {
	if n.probes == nil {
		n.probes = map[project.ProbeRole]*ProbeCounts{}
	}
	of := n.probes[p.Role]
	if of == nil {
		of = &ProbeCounts{}
		n.probes[p.Role] = of
	}
	of.Took.observe(time.Duration(p.Took).Seconds(), probeBounds)
	if p.Failed {
		of.Failed++
	}
}

func (c *core) counts() []Counts {
	list := make([]Counts, 0, len(c.order))
	for _, s := range c.order {
		n := Counts{ID: s.id, Exits: maps.Clone(s.counts.exits), CPU: s.counts.cpu, Ready: s.counts.ready.clone(), Probes: map[project.ProbeRole]ProbeCounts{}}
		for role, of := range s.counts.probes {
			n.Probes[role] = ProbeCounts{of.Took.clone(), of.Failed}
		}
		list = append(list, n)
	}
	return list
}

// Counts returns what has happened to each service, by label. After the end it is the
// last that was known.
func (e *Engine) Counts(ctx context.Context) ([]Counts, error) {
	n, err := ask(ctx, e, func(c *core) ([]Counts, error) { return c.counts(), nil })
	if errors.Is(err, ErrEnded) {
		return e.core.counts(), nil // nothing changes them any more
	}
	return n, err
}
