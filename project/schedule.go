package project

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"nix2gpu/cron"
)

// A Schedule is when a service runs that is started again and again, to run to its end
// each time. Exactly one of Cron and Interval is set.
type Schedule struct {
	Cron string `json:"cron,omitempty"` // as package cron reads it
	// Zone is the time zone of Cron, by its name in the tz database; "": the machine's.
	Zone     string   `json:"timezone,omitempty"`
	Interval Duration `json:"interval,omitempty"`   // from one start to the next
	AtStart  bool     `json:"runOnStart,omitempty"` // also when the project starts
	Overlap  Overlap  `json:"overlap,omitempty"`    // default: skip
	// Concurrent is how many runs there may be at once; 0: one. Overlap says what becomes
	// of a run for which there is no room.
	Concurrent int `json:"maxConcurrent,omitempty"`
	// Of is set in the services that [Project.WithRuns] adds: the service whose times
	// they have. All else is as of that one.
	Of  ID  `json:"of,omitempty"`
	Pos Pos `json:"pos,omitzero"`
}

// Overlap says what a service does when it is to run while it still runs.
type Overlap string

// The values of Overlap; the empty one means OverlapSkip.
const (
	OverlapSkip    Overlap = "skip"    // the run is left out
	OverlapQueue   Overlap = "queue"   // it comes after the one that is being made; several become one
	OverlapReplace Overlap = "replace" // what runs is stopped for it
)

// String is the schedule for people: "0 3 * * * (Europe/Berlin)", "every 10m".
func (s *Schedule) String() string {
	switch {
	case s == nil, s.Of != "":
		return ""
	case s.Cron == "":
		text := time.Duration(s.Interval).String()
		if short, ok := strings.CutSuffix(text, "m0s"); ok {
			text = short + "m"
		}
		if short, ok := strings.CutSuffix(text, "h0m"); ok {
			text = short + "h"
		}
		return "every " + text
	case s.Zone == "":
		return s.Cron
	}
	return s.Cron + " (" + s.Zone + ")"
}

// Same reports whether two schedules give the same times.
func (s *Schedule) Same(t *Schedule) bool {
	if s == nil || t == nil {
		return s == t
	}
	return s.Cron == t.Cron && s.Zone == t.Zone && s.Interval == t.Interval && s.Of == t.Of
}

// Files reports whether files of the machine say what the time zone is, which an image
// has to have.
func (s *Schedule) Files() bool {
	return s.Zone != "" && s.Zone != "UTC" && s.Zone != "Local"
}

// minInterval is the shortest of an interval.
const minInterval = time.Second

// maxConcurrent catches a slip of the keyboard.
const maxConcurrent = 100

func (e *Errors) checkSchedule(p *Project, s *Service) {
	who, at := fmt.Sprintf("the schedule of %q", p.label(s.ID)), s.Schedule.Pos
	if s.Schedule.Of != "" {
		return
	}
	var bad *cron.Error
	switch sch := s.Schedule; {
	case sch.Cron == "" && sch.Interval == 0:
		e.add(at, s.ID, `such as cron = "30 4 * * *" or interval = "10m"`, "%s must have cron or interval", who)
	case sch.Cron != "" && sch.Interval != 0:
		e.add(at, s.ID, "remove one of them", "%s must not have both cron and interval", who)
	case sch.Cron == "" && time.Duration(sch.Interval) < minInterval:
		e.add(at, s.ID, "", "interval in %s must be at least %v, not %v", who, minInterval, time.Duration(sch.Interval))
	case sch.Cron == "" && sch.Zone != "":
		e.add(s.OptionPos("timezone"), s.ID, "remove it", "timezone in %s has no effect on an interval", who)
	case sch.Cron != "":
		if _, err := cron.Parse(sch.Cron); errors.As(err, &bad) {
			e.add(at, s.ID, bad.Hint, "cron in %s: %v", who, bad)
		}
	}
	if zone := s.Schedule.Zone; strings.Contains(zone, "..") || strings.HasPrefix(zone, "/") || strings.ContainsAny(zone, "\\ \t\x00") {
		e.add(s.OptionPos("timezone"), s.ID, "", `timezone in %s must be a name such as "Europe/Berlin", not %q`, who, zone)
	}
	oneOf(e, at, s.ID, "overlap in "+who, s.Schedule.Overlap, OverlapSkip, OverlapQueue, OverlapReplace)
	if main := p.Processes[s.Main]; main != nil && (main.Restart.Policy == RestartAlways || main.Restart.Policy == RestartUnlessStopped) {
		e.add(at, s.ID, `set restart to "no" or "on_failure", or remove the schedule`, "%q has a schedule, so that it must end; restart must not be %q", p.label(s.ID), main.Restart.Policy)
	}
	if n := s.Schedule.Concurrent; n < 0 || n > maxConcurrent {
		e.add(at, s.ID, "", "max_concurrent in %s must be from 1 to %d, not %d", who, maxConcurrent, n)
		return
	}
	for _, id := range p.RunsOf(s.ID) {
		other := p.Services[id]
		if other == nil || other.Schedule != nil && other.Schedule.Of == s.ID {
			continue
		}
		e.add(at, s.ID, fmt.Sprintf("rename %q, or lower max_concurrent", id), "another service has the name %q, which further runs of %q have", id, p.label(s.ID))
		break
	}
}
