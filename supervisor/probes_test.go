package supervisor

import (
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// process-compose restarts what fails its readiness probe; so do its files.
func TestReadinessThatRestarts(t *testing.T) {
	p := services("a: +probe restart=always delay=1s", "b")
	p.Processes["a"].Readiness.RestartOnFailure = true
	play(t, p, nil, Options{}, func(s *scene) {
		s.pass(time.Second)
		s.world.news(t, "a", control.Probe{Role: project.ReadinessProbe, Output: "refused"})
		s.pass(time.Millisecond)
		s.wantState("a", control.Backoff, "readiness probe failed: refused; restarts in 1s")
		s.pass(2 * time.Second)
		if st := s.status("a"); st.State != control.Running || st.Starts != 2 {
			t.Errorf("a = %+v", st)
		}
	})
}

// With a startup probe alone, it decides when a service is ready.
func TestStartupProbe(t *testing.T) {
	p := services("a: restart=no", "user: a=ready", "b")
	p.Processes["a"].Startup = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
	play(t, p, nil, Options{}, func(s *scene) {
		s.pass(time.Minute)
		s.wantState("a", control.Starting, "its startup probe has not passed yet")
		s.world.probe(t, "a", control.Probe{Role: project.StartupProbe, Output: "connection refused"})
		s.wantState("a", control.Starting, "startup probe failed: connection refused")
		s.world.news(t, "a", control.Probe{Role: project.StartupProbe, OK: true})
		s.wantState("user", control.Running, "")
	})
	play(t, p, nil, Options{}, func(s *scene) {
		s.world.news(t, "a", control.Probe{Role: project.StartupProbe, Output: "connection refused"})
		s.pass(time.Millisecond)
		s.wantState("a", control.Failed, "startup probe failed: connection refused")
		s.wantState("user", control.Skipped, "a failed (startup probe failed: connection refused)")
	})
}

// With both, the startup probe only lets the other begin.
func TestStartupAndReadiness(t *testing.T) {
	p := services("a: +probe", "b")
	p.Processes["a"].Startup = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
	play(t, p, map[project.ID]any{"a": act{ready: -1}}, Options{}, func(s *scene) {
		s.world.news(t, "a", control.Probe{Role: project.StartupProbe, OK: true})
		s.wantState("a", control.Starting, "its readiness probe has not passed yet")
		s.world.news(t, "a", control.Probe{Role: project.LivenessProbe, OK: true})
		s.wantState("a", control.Starting, "its readiness probe has not passed yet")
		s.world.news(t, "a", control.Probe{Role: project.ReadinessProbe, OK: true})
		s.wantState("a", control.Running, "")
	})
}

// A probe that passes does not hide that another fails, in either order.
func TestVerdictsOfSeveralProbes(t *testing.T) {
	p := services("a: +probe", "b")
	p.Processes["a"].Liveness = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
	play(t, p, nil, Options{}, func(s *scene) {
		s.world.news(t, "a", control.Probe{Role: project.ReadinessProbe, Output: "status 503"})
		s.world.probe(t, "a", control.Probe{Role: project.LivenessProbe, OK: true})
		s.wantState("a", control.Unready, "readiness probe failed: status 503")
		if st := s.status("a"); st.Probe == nil || st.Probe.Role != project.ReadinessProbe || st.Probe.OK {
			t.Errorf("probe = %+v, want the failed readiness", st.Probe)
		}
		s.world.probe(t, "a", control.Probe{Role: project.LivenessProbe, Output: "timed out"}) // not often enough yet
		s.wantState("a", control.Unready, "readiness probe failed: status 503")
		s.world.news(t, "a", control.Probe{Role: project.ReadinessProbe, OK: true})
		s.wantState("a", control.Running, "")
		if st := s.status("a"); st.Probe == nil || st.Probe.Role != project.LivenessProbe || st.Probe.OK {
			t.Errorf("probe = %+v, want the failed liveness", st.Probe)
		}
	})
}

// What a probe said of a process is not said of the next one.
func TestVerdictsEndWithTheProcess(t *testing.T) {
	p := services("a: restart=always delay=1s", "b")
	p.Processes["a"].Startup = &project.Probe{TCP: &project.TCPCheck{Port: 1}}
	play(t, p, nil, Options{}, func(s *scene) {
		s.world.news(t, "a", control.Probe{Role: project.StartupProbe, Output: "connection refused"})
		s.pass(time.Millisecond)
		s.wantState("a", control.Backoff, "startup probe failed: connection refused; restarts in 1s")
		s.pass(2 * time.Second)
		s.wantState("a", control.Starting, "its startup probe has not passed yet")
		if st := s.status("a"); st.Probe != nil {
			t.Errorf("probe = %+v", st.Probe)
		}
	})
}

// A first readiness that fails is said once; later checks only show in status.
func TestNotReadyYet(t *testing.T) {
	play(t, services("a: +probe", "b"), map[project.ID]any{"a": act{ready: -1}}, Options{}, func(s *scene) {
		for i := range 5 {
			s.world.verdict(t, "a", control.Probe{Role: project.ReadinessProbe, Output: "status 503"}, i == 2)
		}
		s.wantState("a", control.Starting, "readiness probe failed: status 503")
		if st := s.status("a"); st.Health != control.HealthStarting {
			t.Errorf("health = %s", st.Health)
		}
		s.wantLines(`
			0s starting process-compose with 2 services
			0s a: starting
			0s b: starting
			0s a: not ready yet: readiness probe failed: status 503`)
	})
}

// What takes its time says why, before its probe is asked and while that fails.
func TestDoingUntilReady(t *testing.T) {
	p := services("a: +probe")
	p.Processes["a"].Doing = "downloading the model"
	play(t, p, map[project.ID]any{"a": act{ready: -1}}, Options{}, func(s *scene) {
		s.wantState("a", control.Starting, "downloading the model")
		s.world.verdict(t, "a", control.Probe{Role: project.ReadinessProbe, Output: "status 503"}, true)
		s.wantState("a", control.Starting, "downloading the model: readiness probe failed: status 503")
		s.wantLines(`
			0s starting process-compose with 1 service
			0s a: starting
			0s a: not ready yet: downloading the model: readiness probe failed: status 503`)
	})
}

func TestSuccessCodes(t *testing.T) {
	p := services("a: restart=on_failure", "b: restart=on_failure", "c: a=completed b=completed")
	p.Processes["a"].SuccessCode = []int{3}
	p.Processes["b"].SuccessCode = []int{143}
	play(t, p, map[project.ID]any{"a": act{lasts: 1e6, code: 3}, "b": act{lasts: 2e6, signal: 15}, "c": act{lasts: 1e6}}, Options{}, func(s *scene) {
		s.wantEnd(0, "all services have completed")
		s.wantLines(`
			0s starting process-compose with 3 services
			0s a: starting
			0s b: starting
			0s c: waiting for dependencies
			1ms a: completed (exit code 3)
			2ms b: completed (killed by SIGTERM)
			2ms c: starting
			3ms c: completed
			3ms all services healthy`)
	})
}
