package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/probe"
	"nix2gpu/project"
)

// script is a Runner that answers each check in turn, and notes when it ran.
type script struct {
	born    time.Time
	mu      sync.Mutex
	results []error // the last one is repeated
	takes   time.Duration
	at      []time.Duration
	flying  int
	overlap bool
}

func (s *script) run(ctx context.Context, _ *project.ExecCheck, _ io.Writer) error {
	s.mu.Lock()
	s.at = append(s.at, time.Since(s.born))
	err := s.results[min(len(s.at), len(s.results))-1]
	s.flying++
	s.overlap = s.overlap || s.flying > 1
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.flying--; s.mu.Unlock() }()
	select {
	case <-time.After(s.takes):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errDown = errors.New("down")

// watch runs the probes of p for a while, and returns the verdicts that were
// news as "role state".
func watch(t *testing.T, p *project.Process, deps probe.Deps, d time.Duration) (news []string, all []probe.Verdict) {
	t.Helper()
	g, err := probe.New(p, deps)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	g.Run(ctx, func(v probe.Verdict) {
		all = append(all, v)
		if v.Changed {
			news = append(news, string(v.Role)+" "+v.State.String())
		}
	})
	<-ctx.Done()
	return news, all
}

func execProbe() *project.Probe { return &project.Probe{Exec: &project.ExecCheck{}} }

func ms(n ...int) []time.Duration {
	var out []time.Duration
	for _, n := range n {
		out = append(out, time.Duration(n)*time.Millisecond)
	}
	return out
}

// A delay of 0 that was set means what an unset one means: at once.
func TestEagerUntilFirstSuccess(t *testing.T) {
	for _, initial := range []*project.Duration{nil, project.For(0)} {
		synctest.Test(t, func(t *testing.T) {
			down := slices.Repeat([]error{errDown}, 7)
			s := &script{born: time.Now(), results: append(down, nil)}
			p := &project.Process{Readiness: execProbe()}
			p.Readiness.InitialDelay, p.Readiness.Period = initial, project.Duration(time.Second)
			news, _ := watch(t, p, probe.Deps{Run: s.run}, 2100*time.Millisecond)
			want := append(ms(5, 10, 15, 20, 25), 31250*time.Microsecond, 39062500, 48828125, 1048828125, 2048828125)
			if !slices.Equal(s.at, want) {
				t.Errorf("checks at %v, want %v", s.at, want)
			}
			if want := []string{"readiness passing"}; !slices.Equal(news, want) {
				t.Errorf("news %q, want %q: failures while starting must not count at once", news, want)
			}
		})
	}
}

// Whatever a start takes, an eager probe sees its end soon after, with few
// checks; and never takes more of the processor than it leaves.
func TestEagerChecksAreSoonAndFew(t *testing.T) {
	for _, takes := range []time.Duration{0, 30 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{born: time.Now(), results: []error{errDown}, takes: takes}
			p := &project.Process{Readiness: execProbe()}
			p.Readiness.Period = project.Duration(10 * time.Second)
			watch(t, p, probe.Deps{Run: s.run}, time.Minute)
			for i, at := range s.at[1:] {
				apart := at - s.at[i]
				if longest := max(s.at[i]/4, 2*takes, 5*time.Millisecond); apart > longest {
					t.Errorf("takes %v: %v between checks at the age of %v, want at most %v", takes, apart, s.at[i], longest)
				}
				if apart < 2*takes {
					t.Errorf("takes %v: %v between checks, want at least twice that", takes, apart)
				}
			}
			if n := len(s.at); n > 50 {
				t.Errorf("takes %v: %d checks in a minute, want at most 50", takes, n)
			}
		})
	}
}

func TestFailuresWhileEagerCountOncePerPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{born: time.Now(), results: []error{errDown}}
		p := &project.Process{Liveness: execProbe()}
		p.Liveness.Period = project.Duration(time.Second)
		var failed time.Duration
		g, err := probe.New(p, probe.Deps{Run: s.run})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		g.Run(ctx, func(v probe.Verdict) {
			if v.Changed {
				failed = time.Since(s.born)
				cancel()
			}
		})
		if failed < 3*time.Second || failed > 6*time.Second {
			t.Errorf("failed after %v, want between 3 and 6 periods of 1s", failed)
		}
	})
}

func TestSetDelayAndThresholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{born: time.Now(), results: []error{nil, nil, errDown, nil, errDown, errDown, errDown, nil, nil}}
		p := &project.Process{Readiness: execProbe()}
		r := p.Readiness
		r.InitialDelay, r.Period = project.For(2*time.Second), project.Duration(time.Second)
		r.SuccessThreshold, r.FailureThreshold = 2, 3
		news, _ := watch(t, p, probe.Deps{Run: s.run}, 10500*time.Millisecond)
		if want := ms(2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10000); !slices.Equal(s.at, want) {
			t.Errorf("checks at %v, want %v", s.at, want)
		}
		if want := []string{"readiness passing", "readiness failing", "readiness passing"}; !slices.Equal(news, want) {
			t.Errorf("news %q, want %q", news, want)
		}
	})
}

func TestMostWantNoLines(t *testing.T) {
	g, err := probe.New(&project.Process{Readiness: execProbe()}, probe.Deps{Run: (&script{}).run})
	if err != nil || g.WantsLines() {
		t.Errorf("wants lines: %t, %v", g.WantsLines(), err)
	}
}

// Without a period and a timeout: every 10 s, and 1 s.
func TestDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{born: time.Now(), results: []error{nil}}
		watch(t, &project.Process{Readiness: execProbe()}, probe.Deps{Run: s.run}, 25*time.Second)
		if want := ms(5, 10005, 20005); !slices.Equal(s.at, want) {
			t.Errorf("checks at %v, want %v", s.at, want)
		}
		s = &script{born: time.Now(), results: []error{nil}, takes: time.Hour}
		_, all := watch(t, &project.Process{Readiness: execProbe()}, probe.Deps{Run: s.run}, 1500*time.Millisecond)
		if len(all) != 1 || all[0].Latency != time.Second {
			t.Errorf("got %+v, want one timeout after 1s", all)
		}
	})
}

func TestChecksNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{born: time.Now(), results: []error{nil}, takes: 700 * time.Millisecond}
		p := &project.Process{Readiness: execProbe()}
		p.Readiness.Period = project.Duration(100 * time.Millisecond)
		_, all := watch(t, p, probe.Deps{Run: s.run}, 5*time.Second)
		if s.overlap || len(all) < 6 {
			t.Errorf("overlap %t with %d checks, want none and at least 6", s.overlap, len(all))
		}
		t.Attr("R17", fmt.Sprintf("%d checks of 700 ms each, every 100 ms: 0 overlapped", len(all)))
	})
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{born: time.Now(), results: []error{nil}, takes: time.Hour}
		p := &project.Process{Readiness: execProbe()}
		p.Readiness.Timeout = project.Duration(3 * time.Second)
		_, all := watch(t, p, probe.Deps{Run: s.run}, 4*time.Second)
		if len(all) != 1 || all[0].Latency != 3*time.Second || all[0].Message != "timed out after 3s" {
			t.Errorf("got %+v, want one timeout after 3s", all)
		}
	})
}

func TestStartupHoldsTheOthersBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boot := &script{born: time.Now(), results: []error{errDown, errDown, nil}}
		p := &project.Process{Startup: execProbe(), Liveness: execProbe(), Readiness: execProbe()}
		p.Startup.InitialDelay = project.For(time.Second)
		p.Startup.Period = project.Duration(time.Second)
		news, _ := watch(t, p, probe.Deps{Run: boot.run}, 4*time.Second)
		slices.Sort(news[1:])
		if want := []string{"startup passing", "liveness passing", "readiness passing"}; !slices.Equal(news, want) {
			t.Errorf("news %q, want %q", news, want)
		}
		if boot.at[2] != 3*time.Second || boot.at[3] < 3*time.Second {
			t.Errorf("checks at %v: the others must wait for the startup probe at 3s", boot.at)
		}
	})
}

func TestLackOfOurOwnIsNotHeldAgainstTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{born: time.Now(), results: []error{nil, syscall.EMFILE}}
		p := &project.Process{Liveness: execProbe()}
		p.Liveness.Period = project.Duration(time.Second)
		news, all := watch(t, p, probe.Deps{Run: s.run}, time.Minute)
		if want := []string{"liveness passing"}; !slices.Equal(news, want) {
			t.Errorf("news %q, want %q", news, want)
		}
		if last := all[len(all)-1]; !last.Resource || last.State != probe.Passing {
			t.Errorf("last verdict %+v, want a lack of resources that changes nothing", last)
		}
	})
}

func TestLogLine(t *testing.T) {
	for _, c := range []struct {
		check project.LogCheck
		lines []string
		ready bool
	}{
		{project.LogCheck{Contains: "ready to accept"}, []string{"starting", "LOG: database system is ready to accept connections"}, true},
		{project.LogCheck{Pattern: `listening on :\d+$`}, []string{"listening on :8080"}, true},
		{project.LogCheck{Pattern: `listening on :\d+$`}, []string{"listening on :http"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			g, err := probe.New(&project.Process{Readiness: &project.Probe{Log: &c.check}}, probe.Deps{})
			if err != nil {
				t.Fatal(err)
			}
			if !g.WantsLines() {
				t.Error("it wants no lines")
			}
			for _, l := range c.lines { // before Run: nothing may be missed
				g.Line([]byte(l))
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			ready := false
			g.Run(ctx, func(v probe.Verdict) { ready = v.State == probe.Passing })
			if ready != c.ready {
				t.Errorf("%+v with %q: ready %t, want %t", c.check, c.lines, ready, c.ready)
			}
		})
	}
}
