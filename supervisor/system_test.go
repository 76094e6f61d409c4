package supervisor

import (
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// The container's own services count nowhere, and only their failure is told.
func TestSystemServicesDoNotCount(t *testing.T) {
	p := services("db: +probe", "job", "sshd: restart=on_failure max=1")
	p.Services["sshd"].System = true
	play(t, p, map[project.ID]any{
		"db":   act{ready: time.Second, lasts: 20 * time.Second},
		"job":  act{lasts: 5 * time.Second},
		"sshd": []act{{lasts: 3 * time.Second, code: 255}, {}, {}},
	}, Options{}, func(s *scene) {
		s.pass(2 * time.Second)
		s.wantState("sshd", control.Running, "")
		s.pass(2 * time.Second) // it is restarted
		s.must(s.Restart(ctx, []project.ID{"sshd"}))
		s.pass(26 * time.Second)
		s.wantLines(`
			0s starting process-compose with 2 services
			0s db: starting
			0s job: starting
			1s all services healthy
			1s without a probe: job
			3s sshd: exit code 255; tried again until it stays up
			5s job: completed
			20s db: completed`)
		s.wantEnd(0, allCompleted)
		s.wantState("sshd", control.Stopped, "")
	})
}

// One that fails for good changes neither the summary nor the exit code.
func TestSystemServiceFails(t *testing.T) {
	p := services("job", "sshd")
	p.Services["sshd"].System = true
	play(t, p, map[project.ID]any{
		"job":  act{lasts: 5 * time.Second},
		"sshd": act{lasts: time.Second, code: 255},
	}, Options{}, func(s *scene) {
		s.pass(6 * time.Second)
		s.wantLines(`
			0s starting process-compose with 1 service
			0s job: starting
			500ms all services healthy
			500ms without a probe: job
			1s sshd: failed: exit code 255
			5s job: completed`)
		s.wantEnd(0, allCompleted)
	})
}

// A container without services of its own says nothing of those it has, and
// ends when it is told to.
func TestSystemServicesAlone(t *testing.T) {
	p := services("sshd")
	p.Services["sshd"].System = true
	play(t, p, nil, Options{Stay: true}, func(s *scene) {
		s.pass(time.Minute)
		s.wantState("sshd", control.Running, "")
		s.Down()
		s.pass(time.Second)
		s.wantLines("")
		s.wantEnd(0, requested)
	})
}
