package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
)

// A settling is what is known of a project while somebody waits for services
// of it to become what they will be.
type settling struct {
	env   *Env
	names []string
	// hasty gives up on what waiting does not help, although it may still mend.
	hasty bool

	all map[project.ID]control.Service
}

// settled waits until services have become what they will be, and says what
// did not become well. With hasty, that a probe has failed as often as counts, or
// that a service was restarted three times in a row, is an end as well: it may
// stay so for ever, and goes on in the background.
func settled(ctx context.Context, env *Env, c *client.Client, names []string, hasty bool) error {
	s := &settling{env: env, names: names, hasty: hasty}
	return s.follow(ctx, c)
}

func (s *settling) follow(ctx context.Context, c *client.Client) error {
	follow, cancel := context.WithCancel(ctx)
	defer cancel() // the stream ends with us
	messages, failed := stream(follow, c)
	report := time.NewTimer(patience)
	defer report.Stop()
	// A service without a probe is known to stay up by waiting.
	look := time.NewTicker(calm / 5)
	defer look.Stop()
	for {
		if s.all != nil {
			done, err := s.judge()
			if done || err != nil {
				return err
			}
		}
		select {
		case m := <-messages:
			if m.End != nil {
				return &control.Error{Code: control.CodeFailed, Msg: "the project ended first: " + m.End.Reason}
			}
			s.take(m)
		case <-look.C:
		case <-report.C:
			writeMissing(s.env, c, s.names, control.ForSettled, "still ")
		case err := <-failed:
			if exitCode(err) == exitTimeout {
				writeMissing(s.env, c, s.names, control.ForSettled, "")
			}
			return err
		}
	}
}

func (s *settling) take(m control.Message) {
	switch {
	case m.State != nil:
		s.all = make(map[project.ID]control.Service, len(m.State.Services))
		for _, x := range m.State.Services {
			s.all[x.ID] = x
		}
	case m.Event != nil:
		s.all[m.Event.Service.ID] = m.Event.Service
	}
}

// judge reports whether nothing is left to wait for. The error says what did not
// become well.
func (s *settling) judge() (done bool, err error) {
	services, err := pickServices(slices.SortedFunc(maps.Values(s.all), func(a, b control.Service) int {
		return cmp.Compare(a.Label, b.Label)
	}), s.names)
	if err != nil {
		return true, err
	}
	var bad []string
	stuck := false
	for _, x := range services {
		switch {
		case x.State == control.Failed || x.State == control.Skipped:
			bad = append(bad, fmt.Sprintf("%s: %s", x.Label, describe(x)))
		case x.State == control.Running && !hasArrived(x, true, s.env.Now()):
			return false, nil
		case x.State.Settled():
		case s.hasty && s.isStuck(x.ID, map[project.ID]bool{}):
			stuck = true
			bad = append(bad, fmt.Sprintf("%s: %s", x.Label, describe(x)))
		default:
			return false, nil
		}
	}
	if len(bad) == 0 {
		return true, nil
	}
	err = &exitError{exitFailed, errors.New(strings.Join(bad, "\n"))}
	if stuck {
		err = hint(err, "it goes on in the background, and \"nix2gpu wait\" waits on")
	}
	return true, err
}

// isStuck reports whether a service is known not to become well soon: its probe
// has failed as often as counts, it was restarted three times in a row, or one
// that it waits for is stuck itself.
func (s *settling) isStuck(id project.ID, seen map[project.ID]bool) bool {
	x, ok := s.all[id]
	if !ok || seen[id] {
		return false
	}
	seen[id] = true
	switch x.State {
	case control.Starting, control.Unready:
		return x.Probe != nil && x.Probe.Failing
	case control.Backoff:
		return x.Streak >= 3 // as the supervisor's own summary has it
	case control.Waiting:
		for _, u := range x.WaitsFor {
			if u.Hopeless || s.isStuck(u.Service, seen) {
				return true
			}
		}
	}
	return false
}
