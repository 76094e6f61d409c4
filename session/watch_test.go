package session

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w watch
		var disk error // what the first check finds
		began := time.Now()
		w.add("the journal cannot be written", func() error { return disk })
		w.addSince(func() (string, time.Time) { return "older", began.Add(-time.Hour) })
		var said []string
		ctx, cancel := context.WithCancel(t.Context())
		go w.run(ctx, slog.New(slog.DiscardHandler), func(s string) { said = append(said, s) })

		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // never at a tick
		pass(time.Minute + time.Second)
		failed := time.Now()
		disk = &fs.PathError{Op: "write", Path: "/state/journal", Err: unix.ENOSPC}
		found := w.look()
		if len(found) != 2 || found[0].Why != "older" || !found[0].Since.Equal(began.Add(-time.Hour)) {
			t.Errorf("found %v, want the older one first", found)
		}
		if d := found[1]; d.Why != "the journal cannot be written: no space left on device" || !d.Since.Equal(failed) {
			t.Errorf("found %v", d)
		}
		pass(time.Hour)
		if d := w.look()[1]; !d.Since.Equal(failed) {
			t.Errorf("found %v an hour later", d)
		}
		disk = errors.New("another reason\n  hint: nothing to be said now")
		if d := w.look()[1]; d.Why != "the journal cannot be written: another reason" {
			t.Errorf("found %v", d)
		}
		disk = nil
		if found = w.look(); len(found) != 1 {
			t.Errorf("found %v", found)
		}
		pass(watchPace)
		want := []string{
			"degraded: older",
			"degraded: the journal cannot be written: no space left on device",
			"no longer degraded: the journal cannot be written: no space left on device",
		}
		if !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
		cancel()
	})
}
