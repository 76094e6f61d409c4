package control_test

import (
	"testing"

	"nix2gpu/control"
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
