package session

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"time"

	"nix2gpu/control"
	"nix2gpu/supervisor"
)

// watchPace is how often the watch looks by itself.
const watchPace = 5 * time.Second

// A watch knows what the supervisor can't do at present, while services go on: a disk
// is full, a folder was removed. Its checks also try again what has failed.
//
// The zero value watches nothing. Checks must be added before it runs.
type watch struct {
	mu     sync.Mutex
	checks []func() (why string, since time.Time)
	found  []control.Degraded // by the last look, in the order of checks; Why is "" where all is well
	said   []string           // by check, what run has last printed
}

// addSince adds a check that knows since when something is wrong. why is "" when all is
// well.
func (w *watch) addSince(check func() (why string, since time.Time)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checks = append(w.checks, check)
	w.found = append(w.found, control.Degraded{})
	w.said = append(w.said, "")
}

// add adds a check that does not know since when. Its errors are printed behind words.
func (w *watch) add(words string, check func() error) {
	w.addSince(func() (string, time.Time) {
		err := check()
		if err == nil {
			return "", time.Time{}
		}
		var at *fs.PathError
		if errors.As(err, &at) && words != "" {
			err = at.Err // words names the file already
		}
		why, _, _ := strings.Cut(err.Error(), "\n") // without the hint, which is about a start
		if words != "" {
			why = words + ": " + why
		}
		return why, time.Time{}
	})
}

// look runs all checks, and returns what is wrong, oldest first.
func (w *watch) look() []control.Degraded {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []control.Degraded
	for i, check := range w.checks {
		why, since := check()
		if since.IsZero() {
			if since = w.found[i].Since; since.IsZero() {
				since = time.Now()
			}
		}
		if why == "" {
			since = time.Time{}
		}
		if w.found[i] = (control.Degraded{Why: why, Since: since}); why != "" {
			all = append(all, control.Degraded{Why: why, Since: byClock(since)})
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Since.Compare(all[j].Since) < 0 })
	return all
}

// byClock is [supervisor.ByClock] of this machine.
func byClock(t time.Time) time.Time {
	now := time.Now()
	return supervisor.ByClock(t, now, now.Round(0))
}

// run looks now and then, and prints what has changed, until ctx ends.
func (w *watch) run(ctx context.Context, log *slog.Logger, say func(string)) {
	pace := time.NewTicker(watchPace)
	defer pace.Stop()
	for {
		w.look()
		w.tell(log, say)
		select {
		case <-pace.C:
		case <-ctx.Done():
			return
		}
	}
}

// tell prints what has changed since it was last called.
func (w *watch) tell(log *slog.Logger, say func(string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, d := range w.found {
		switch before := w.said[i]; {
		case (before == "") == (d.Why == ""): // no change, even if the text differs: it may hold a count
			continue
		case d.Why != "":
			say("degraded: " + d.Why)
			log.Warn("degraded", "why", d.Why)
		default:
			say("no longer degraded: " + before)
			log.Info("no longer degraded", "why", before)
		}
		w.said[i] = d.Why
	}
}
