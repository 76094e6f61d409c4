package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// manyExits is how many exits in a row, without having become ready, end a wait
// unless --retries says otherwise.
const manyExits = 3

// patience is how often a verb that waits says for whom.
const patience = 5 * time.Second

// startPatience is how long "up -d" waits for services whose dependencies are
// slow, and any wait for the others once it is known that one will not become well.
const startPatience = 10 * time.Second

// calm is how long a service without a probe must run to count as healthy.
const calm = 500 * time.Millisecond

// watched is what a vigil sees a project by: a *client.Client.
type watched interface {
	State(ctx context.Context) (*control.State, error)
	Events(ctx context.Context, each func(control.Message) error) error
}

// A vigil is what is known of services while somebody waits for them. It never
// lasts in silence, and not longer than waiting is of use.
type vigil struct {
	env *Env
	of  func([]control.Service) ([]control.Service, error) // whom it is about, of all
	// arrived reports whether a service is where it was to be brought.
	arrived func(s control.Service, now time.Time) bool
	retries int  // exits in a row after which waiting is of no use; 0: it is always
	probes  bool // a probe that has failed as often as counts is of the same kind
	// brief gives up on services whose dependencies are slow, and names no failure
	// before all have arrived.
	brief bool

	// spared is for waits that a failure may well be the aim of: a service that has
	// failed or was skipped is not lost.
	spared bool

	began time.Time                      // the vigil
	since time.Time                      // the project; zero before the first state
	all   map[project.ID]control.Service // nil before the first state
	first map[project.ID]sight
	end   *control.End // of the project
}

// A sight is from where the restarts of a service are counted: from the vigil's own
// begin, unless it was seen in the middle of a row of them.
type sight struct {
	restarts int
	at       time.Time
}

// follow returns when all services have arrived or are lost, the project has
// ended, or the rest has had its time. It calls attached when it will see whatever
// happens.
func (v *vigil) follow(ctx context.Context, c watched, attached func()) error {
	v.began = v.env.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the stream ends with us
	messages, failed := stream(ctx, c)
	// A service without a probe is known to stay up by waiting, and a stream that
	// is read too slowly loses events: so the whole is looked at now and then.
	look := time.NewTicker(calm / 2)
	defer look.Stop()
	report := time.NewTicker(patience)
	defer report.Stop()
	var giveUp <-chan time.Time
	if v.brief {
		giveUp = time.After(startPatience)
	}
	whole := false // what is known of all services is of one moment
	for {
		missing, err := v.missing()
		switch {
		case err != nil:
			return err
		case v.end != nil:
			return nil
		case v.all != nil && len(missing) == 0:
			if !v.anyLost() || whole {
				return nil
			}
			// What was lost takes others with it, whose events are still to come.
			state, err := c.State(ctx)
			if whole = true; err == nil {
				v.take(control.Message{State: state})
			}
			continue
		case giveUp == nil && v.anyLost():
			// What comes of the wait is known. The others are given the time that
			// they need to be started, so that it can be said what runs.
			v.arrived = hasStarted
			giveUp = time.After(startPatience)
			continue
		}
		whole = false
		select {
		case m := <-messages:
			v.take(m)
			if m.State != nil && attached != nil {
				attached()
			}
		case <-look.C:
			if state, err := c.State(ctx); err == nil { // else the stream says why
				v.take(control.Message{State: state})
			}
		case <-report.C:
			v.report("still ")
		case <-giveUp:
			return nil // they go on in the background, and what they wait for is printed
		case err := <-failed:
			if exitCode(err) == exitTimeout {
				v.report("")
			}
			return err
		}
	}
}

// beside lasts as long as a request that is answered once what it waits for has
// come. Meanwhile it says for whom is waited, and it ends the request when waiting
// is of no use: then over is true.
func (v *vigil) beside(ctx context.Context, c watched, request func(context.Context) error) (over bool, err error) {
	v.began = v.env.Now()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- request(ctx) }()
	messages, failed := stream(ctx, c)
	report := time.NewTicker(patience)
	defer report.Stop()
	for {
		select {
		case err := <-answer:
			if err != nil && exitCode(err) == exitTimeout {
				v.report("")
			}
			return false, err
		case m := <-messages:
			if v.take(m); v.anyLost() {
				return true, nil
			}
		case <-report.C:
			v.report("still ")
		case <-failed:
			failed = nil // whatever it was, the request meets it as well
		}
	}
}

// take learns from a message of the event stream.
func (v *vigil) take(m control.Message) {
	switch {
	case m.End != nil:
		v.end = m.End
	case m.Event != nil && v.all != nil:
		v.all[m.Event.Service.ID] = m.Event.Service
	case m.State != nil:
		if v.all == nil {
			v.first = make(map[project.ID]sight)
		}
		v.since = m.State.Since
		v.all = make(map[project.ID]control.Service, len(m.State.Services))
		for _, s := range m.State.Services {
			v.all[s.ID] = s
			if _, known := v.first[s.ID]; !known {
				v.first[s.ID] = sight{s.Restarts - s.Streak, v.began}
				if s.Streak > 0 {
					v.first[s.ID] = sight{s.Restarts - s.Streak, v.since}
				}
			}
		}
	}
}

// services are those that the vigil is about, by label.
func (v *vigil) services() ([]control.Service, error) {
	all := slices.SortedFunc(maps.Values(v.all), func(a, b control.Service) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.ID, b.ID))
	})
	if v.all == nil {
		return nil, nil
	}
	return v.of(all)
}

// missing are those that have not arrived, and may.
func (v *vigil) missing() ([]control.Service, error) {
	list, err := v.services()
	return slices.DeleteFunc(list, func(s control.Service) bool {
		return v.arrived(s, v.env.Now()) || v.lost(s.ID)
	}), err
}

// anyLost reports whether it is known of one that it will not become well.
func (v *vigil) anyLost() bool {
	list, _ := v.services()
	return slices.ContainsFunc(list, func(s control.Service) bool { return v.lost(s.ID) })
}

// lost reports whether waiting for a service is of no use: it has failed or was
// skipped, has exited again and again, or waits for one that is lost itself.
func (v *vigil) lost(id project.ID) bool { return v.lostBut(id, map[project.ID]bool{}) }

func (v *vigil) lostBut(id project.ID, seen map[project.ID]bool) bool {
	s, ok := v.all[id]
	if !ok || seen[id] {
		return false
	}
	seen[id] = true
	switch s.State {
	case control.Failed, control.Skipped:
		return !v.spared
	case control.Starting, control.Unready:
		return v.probes && s.Probe != nil && s.Probe.Failing
	case control.Backoff:
		return v.retries > 0 && s.Streak >= v.retries
	case control.Waiting:
		return slices.ContainsFunc(s.WaitsFor, func(u control.Unmet) bool { return u.Hopeless || v.lostBut(u.Service, seen) })
	}
	return false
}

// report says for whom is waited, and why.
func (v *vigil) report(still string) {
	missing, _ := v.missing()
	for _, s := range missing {
		fmt.Fprintf(v.env.Stderr, "%s: %s\n", s.Label, v.reason(s, still))
	}
}

// reason says why a service has not arrived: how it ended, when it did so again and
// again, else what it is at, and for how long.
func (v *vigil) reason(s control.Service, still string) string {
	if text := v.exits(s); text != "" && s.State != control.Waiting {
		return text
	}
	text := still + describe(s)
	if !s.Since.IsZero() && s.State != control.Waiting {
		text += ", " + wordsOf(v.env.Now().Sub(s.Since))
	}
	return text
}

// exits says how a service ends again and again: "exit code 1, 3 restarts in 10 s:
// cannot load certificate key". Empty: it does not.
func (v *vigil) exits(s control.Service) string {
	first := v.first[s.ID]
	n := s.Restarts - first.restarts
	if s.Exit == nil || s.Streak == 0 || n <= 0 {
		return ""
	}
	text := fmt.Sprintf("%s, %s in %s", s.Exit, count(n, "restart"), wordsOf(v.env.Now().Sub(first.at)))
	if s.Exit.Said != "" {
		text += ": " + s.Exit.Said
	}
	return text
}

// wordsOf is a span of time in a sentence: "8 s", "2 min 5 s", "1 h 2 min".
func wordsOf(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute), " 0 min")
}

// rank orders services for a report: what went wrong by itself, what it took with
// it, and what is well.
func (v *vigil) rank(s control.Service) int {
	switch {
	case !v.lost(s.ID):
		return 2
	case s.State == control.Waiting, s.State == control.Skipped && !s.Refused:
		return 1
	}
	return 0
}

// became says what became of a service.
func (v *vigil) became(s control.Service) string {
	if text := v.exits(s); text != "" && s.State == control.Backoff && v.lost(s.ID) {
		return "restarting (" + text + ")"
	}
	return describe(s)
}

// outcome is how many of the services did not become well, as an error. A skipped
// service has not failed.
func (v *vigil) outcome(list []control.Service) error {
	failed, skipped, waiting := 0, 0, 0
	for _, s := range list {
		switch {
		case !v.lost(s.ID):
		case s.State == control.Skipped:
			skipped++
		case s.State == control.Waiting:
			waiting++
		default:
			failed++
		}
	}
	var parts []string
	all := " of " + count(len(list), "service")
	for _, group := range []struct {
		n    int
		word string
	}{{failed, " failed"}, {skipped, " skipped"}, {waiting, " waiting for one that failed"}} {
		if group.n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s%s", group.n, all, group.word))
			all = ""
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return &exitError{exitFailed, fmt.Errorf("%s", strings.Join(parts, ", "))}
}

// stream follows the events in the background. What ends them early is failed.
func stream(ctx context.Context, c watched) (messages <-chan control.Message, failed <-chan error) {
	ms, errs := make(chan control.Message), make(chan error, 1)
	go func() {
		err := c.Events(ctx, func(m control.Message) error {
			select {
			case ms <- m:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		if err != nil {
			errs <- err
		}
	}()
	return ms, errs
}

// hasSettled reports whether a service stays as it is, as far as can be known.
func hasSettled(s control.Service, now time.Time) bool {
	switch s.State {
	case control.Running:
		// Without a probe, a program that dies in its first moments is only
		// known by waiting them out.
		return s.Health != "" || now.Sub(s.Since) > calm
	case control.Completed, control.Failed, control.Skipped:
		return true
	case control.Stopped:
		return s.Starts > 0
	}
	return false
}

// hasStarted reports whether the program of a service runs, or what keeps it from
// that can last.
func hasStarted(s control.Service, now time.Time) bool {
	switch s.State {
	case control.Running, control.Setup, control.Unready, control.Backoff:
		return true
	case control.Starting:
		return s.PID != 0
	case control.Waiting:
		// For the end of another service: that can be hours away, and needs
		// nobody who waits for it here.
		return slices.ContainsFunc(s.WaitsFor, func(u control.Unmet) bool {
			return u.Condition == project.Completed || u.Condition == project.Exited
		})
	}
	return hasSettled(s, now)
}
