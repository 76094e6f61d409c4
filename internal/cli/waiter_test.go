package cli

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/control"
	"nix2gpu/project"
)

// scripted is a project that follows a script, in the time of a bubble.
type scripted struct {
	mu       sync.Mutex
	began    time.Time
	services map[project.ID]control.Service
	events   chan control.Message
}

func newScripted(services ...control.Service) *scripted {
	s := &scripted{began: time.Now(), services: map[project.ID]control.Service{}, events: make(chan control.Message, 100)}
	for _, x := range services {
		s.services[x.ID] = x
	}
	return s
}

func (s *scripted) State(context.Context) (*control.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := &control.State{}
	state.Since, state.At = s.began, time.Now()
	for _, x := range s.services {
		state.Services = append(state.Services, x)
	}
	return state, nil
}

func (s *scripted) Events(ctx context.Context, each func(control.Message) error) error {
	state, _ := s.State(ctx)
	if err := each(control.Message{State: state}); err != nil {
		return err
	}
	for {
		select {
		case m := <-s.events:
			if err := each(m); err != nil || m.End != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *scripted) become(x control.Service) {
	s.mu.Lock()
	from := s.services[x.ID].State
	x.Since = time.Now()
	if x.State == control.Running { // ready, by its probe
		x.Health = control.HealthHealthy
	}
	s.services[x.ID] = x
	s.mu.Unlock()
	s.events <- control.Message{Event: &control.Event{From: from, Service: x}}
}

func custom(name string, state control.ServiceState) control.Service {
	return control.Service{ID: project.ID(name), Label: name, Type: "custom", State: state, Wanted: true, Since: time.Now(), Health: control.HealthStarting}
}

// waiterTest runs a waiter in a bubble, and returns its error, what it printed on
// either stream, and how long it took.
func waiterTest(t *testing.T, retries int, world func() (*scripted, func(*scripted)), check func(w *waiter, err error, stderr string, took time.Duration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, play := world()
		var out, errs bytes.Buffer
		env := &Env{Stdout: &out, Stderr: &errs, Now: time.Now}
		w := &waiter{env: env, of: func(all []control.Service) ([]control.Service, error) { return all, nil }, arrived: hasSettled, retries: retries}
		begin := time.Now()
		// A wait without an end would keep the bubble's clock running for ever.
		ctx, cancel := limited(t.Context(), time.Hour)
		defer cancel()
		go play(s)
		err := w.follow(ctx, s, nil)
		check(w, err, errs.String(), time.Since(begin))
	})
}

// crash lets a service exit again and again, a second apart.
func crash(s *scripted, x control.Service, times int) {
	for n := 1; n <= times; n++ {
		time.Sleep(time.Second)
		x.State, x.Streak, x.Restarts = control.Backoff, n, n
		x.Exit = &project.Exit{Code: 1, Said: "cannot load certificate key", At: time.Now()}
		s.become(x)
	}
}

// What gets certificates now and then is not awaited by "up": the authority may be away.
func TestUpAwaitsNoHelper(t *testing.T) {
	helper := custom("nginx.web-acme", control.Backoff)
	helper.System, helper.Schedule = true, "every 3h"
	job := custom("job", control.Scheduled)
	job.Schedule = "every 3h"
	list, err := byID([]project.ID{"nginx", "nginx.web-acme", "job", "sshd"})([]control.Service{
		custom("nginx", control.Running), helper, job, {ID: "sshd", System: true}, custom("other", control.Running),
	})
	var got []string
	for _, s := range list {
		got = append(got, string(s.ID))
	}
	if want := "nginx job sshd"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("awaits %q, want %s: %v", got, want, err)
	}
}

func TestWaitEndsAfterThreeExits(t *testing.T) {
	world := func() (*scripted, func(*scripted)) {
		return newScripted(custom("nginx", control.Starting), custom("db", control.Starting)), func(s *scripted) {
			db := custom("db", control.Running)
			db.PID = 7
			s.become(db)
			crash(s, custom("nginx", control.Starting), 3)
		}
	}
	waiterTest(t, manyExits, world, func(w *waiter, err error, stderr string, took time.Duration) {
		if err != nil || took != 3*time.Second || stderr != "" {
			t.Errorf("after %v: %v\n%s", took, err, stderr)
		}
		list, _ := w.services()
		if got := w.outcome(list); got == nil || got.Error() != "1 of 2 services failed" || exitCode(got) != exitFailed {
			t.Errorf("outcome = %v", got)
		}
		if got, want := w.became(w.all["nginx"]), "restarting (exit code 1, 3 restarts in 3 s: cannot load certificate key)"; got != want {
			t.Errorf("became %q, want %q", got, want)
		}
	})
	// With 0, it lasts until somebody has enough, and is never silent.
	waiterTest(t, 0, func() (*scripted, func(*scripted)) {
		return newScripted(custom("nginx", control.Starting)), func(s *scripted) {
			crash(s, custom("nginx", control.Starting), 9)
			time.Sleep(4 * time.Second)
			s.events <- control.Message{End: &control.End{}}
		}
	}, func(w *waiter, err error, stderr string, took time.Duration) {
		want := "nginx: exit code 1, 4 restarts in 5 s: cannot load certificate key\nnginx: exit code 1, 9 restarts in 10 s: cannot load certificate key\n"
		if err != nil || strings.ReplaceAll(stderr, "5 restarts in 5 s", "4 restarts in 5 s") != want || took != 13*time.Second {
			t.Errorf("after %v: %v\n%s\nwant\n%s", took, err, stderr, want)
		}
	})
}

// What waits for one that is lost is lost with it, and is no failure of its own; the
// others are given the time that they need to be started.
func TestWaitNamesTheCauseFirst(t *testing.T) {
	waiterTest(t, manyExits, func() (*scripted, func(*scripted)) {
		user := custom("a-user", control.Waiting)
		user.WaitsFor = []control.Unmet{{Service: "web", Label: "web", Condition: project.Ready, Why: "is restarting"}}
		return newScripted(user, custom("web", control.Starting), custom("slow", control.Init)), func(s *scripted) {
			crash(s, custom("web", control.Starting), 3)
			time.Sleep(2 * time.Second)
			slow := custom("slow", control.Starting)
			slow.PID = 9
			s.become(slow)
		}
	}, func(w *waiter, err error, stderr string, took time.Duration) {
		if err != nil || took != 5*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		list, _ := w.services()
		if got, want := w.outcome(list).Error(), "1 of 3 services failed, 1 waiting for one that failed"; got != want {
			t.Errorf("outcome %q, want %q", got, want)
		}
		for name, want := range map[project.ID]int{"web": 0, "a-user": 1, "slow": 2} {
			if got := w.rank(w.all[name]); got != want {
				t.Errorf("rank of %s = %d, want %d", name, got, want)
			}
		}
	})
}

// A skipped service has not failed. One that does not become ready is waited for, and
// every five seconds it is said why.
func TestWaitSaysWhy(t *testing.T) {
	waiterTest(t, manyExits, func() (*scripted, func(*scripted)) {
		return newScripted(custom("api", control.Starting)), func(s *scripted) {
			time.Sleep(6 * time.Second)
			x := custom("api", control.Starting)
			x.Why = "readiness probe failed: status 404"
			s.become(x)
			time.Sleep(5 * time.Second)
			x.State, x.Why = control.Running, ""
			s.become(x)
		}
	}, func(w *waiter, err error, stderr string, took time.Duration) {
		want := "api: still starting, 5 s\napi: still starting (readiness probe failed: status 404), 4 s\n"
		if err != nil || stderr != want || took != 11*time.Second {
			t.Errorf("after %v: %v\n%s", took, err, stderr)
		}
		x := custom("ui", control.Skipped)
		x.Refused = true
		w.all["ui"] = x
		list, _ := w.services()
		if got, want := w.outcome(list).Error(), "1 of 2 services skipped"; got != want {
			t.Errorf("outcome %q, want %q", got, want)
		}
	})
}

func TestWordsOf(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 8400 * time.Millisecond: "8 s", 2 * time.Minute: "2 min", 125 * time.Second: "2 min 5 s",
		time.Hour: "1 h", 62 * time.Minute: "1 h 2 min",
	} {
		if got := wordsOf(d); got != want {
			t.Errorf("wordsOf(%v) = %q, want %q", d, got, want)
		}
	}
}

// The exit code of status is that of systemctl.
func TestStatusCode(t *testing.T) {
	for state, want := range map[control.ServiceState]int{
		control.Running: 0, control.Completed: 0, control.Init: 0, control.Starting: 0, control.Setup: 0,
		control.Unready: 1, control.Ending: 1, control.Backoff: 1, control.Restarting: 1, control.Failed: 1, control.Skipped: 1,
		control.Stopped: 3, control.Stopping: 3, control.Waiting: 3,
	} {
		if got := statusCode(control.Service{State: state}); got != want {
			t.Errorf("%s: %d, want %d", state, got, want)
		}
	}
	for _, s := range []control.Service{
		{State: control.Starting, Streak: 1}, {State: control.Starting, Probe: &control.Probe{Failing: true}},
	} {
		if got := statusCode(s); got != exitFailed {
			t.Errorf("%+v: %d, want %d", s, got, exitFailed)
		}
	}
}

// One that is well only at its end has not settled however long it has run.
func TestSettled(t *testing.T) {
	now := time.Now()
	for health, want := range map[control.Health]bool{"": true, control.HealthHealthy: true, control.HealthStarting: false} {
		if s := (control.Service{State: control.Running, Since: now.Add(-time.Hour), Health: health}); hasSettled(s, now) != want {
			t.Errorf("running and %q: settled %t", health, !want)
		}
	}
}

// A slow machine may have heard nothing when the time is over. What is waited for is said
// all the same.
func TestWaitTimesOutBeforeItHears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var errs bytes.Buffer
		env := &Env{Stdout: &bytes.Buffer{}, Stderr: &errs, Now: time.Now}
		w := &waiter{env: env, of: func(all []control.Service) ([]control.Service, error) { return all, nil }, arrived: hasSettled}
		ctx, cancel := limited(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := w.follow(ctx, deaf{newScripted(custom("nginx", control.Starting))}, nil)
		if exitCode(err) != exitTimeout || !strings.HasPrefix(errs.String(), "nginx: starting") {
			t.Errorf("%v\n%s", err, errs.String())
		}
	})
}

// deaf is a project that is late to answer who follows its events.
type deaf struct{ *scripted }

func (d deaf) Events(ctx context.Context, each func(control.Message) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}
