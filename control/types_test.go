package control_test

import (
	"testing"

	"nix2gpu/control"
	"nix2gpu/project"
)

// A job that begins again and again as planned does not make a project unready each time.
func TestHealthy(t *testing.T) {
	for _, c := range []struct {
		service control.Service
		want    bool
	}{
		{control.Service{State: control.Running}, true},
		{control.Service{State: control.Completed}, true},
		{control.Service{State: control.Starting}, false},
		{control.Service{State: control.Failed}, false},
		{control.Service{State: control.Scheduled, Schedule: "every 1s"}, true},
		{control.Service{State: control.Scheduled, Schedule: "every 1s", LastRun: control.RunFailed}, false},
		{control.Service{State: control.Starting, Schedule: "every 1s"}, true},
		{control.Service{State: control.Starting, Schedule: "every 1s", LastRun: control.RunFailed}, false},
	} {
		if got := c.service.Healthy(); got != c.want {
			t.Errorf("%s with schedule %q, whose last run %q: %t, want %t", c.service.State, c.service.Schedule, c.service.LastRun, got, c.want)
		}
	}
}

// A further run that was not needed is not shown, also once the project stops.
func TestNeverRan(t *testing.T) {
	for _, c := range []struct {
		service control.Service
		want    bool
	}{
		{control.Service{State: control.Scheduled}, false}, // it is no further run
		{control.Service{State: control.Scheduled, RunOf: "job"}, true},
		{control.Service{State: control.Stopped, RunOf: "job"}, true},
		{control.Service{State: control.Stopped, RunOf: "job", Starts: 1}, false},
		{control.Service{State: control.Stopped, RunOf: "job", Exit: &project.Exit{Code: 1}}, false}, // a one-shot before it has failed
		{control.Service{State: control.Waiting, RunOf: "job"}, false},
	} {
		if got := c.service.NeverRan(); got != c.want {
			t.Errorf("%s run of %q after %d starts: %t, want %t", c.service.State, c.service.RunOf, c.service.Starts, got, c.want)
		}
	}
}
