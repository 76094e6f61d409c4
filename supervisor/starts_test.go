package supervisor

import (
	"fmt"
	"testing"

	"nix2gpu/project"
)

// However many starts wait for something, those behind them are begun, and those that wait
// can be cancelled.
func TestNoStartWaitsForOthers(t *testing.T) {
	var specs []string
	for i := range 5 * startsAtOnce {
		specs = append(specs, fmt.Sprintf("a%02d:", i))
	}
	p := services(append(specs, "z:")...)
	for _, q := range p.Processes {
		q.Command = sh("exec sleep 100")
	}
	r := onMachine(t, p, Options{}, func(m *Machine) {
		m.Admit = func(_ *project.Project, main *project.Process, cancel <-chan struct{}) error {
			if main.ID != "z" {
				<-cancel
			}
			return nil
		}
	})
	if err := r.Wait(within(t), "z", project.Started); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Snapshot().Services {
		if s.ID != "z" && s.PID != 0 {
			t.Errorf("%s runs", s.ID)
		}
	}
	if err := r.Stop(within(t), []project.ID{"a07"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Stopped(within(t), []project.ID{"a07"}); err != nil {
		t.Fatal(err)
	}
}
