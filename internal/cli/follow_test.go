package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/project"
)

// answerEvents is a supervisor that answers who follows its events, and nothing else.
func answerEvents(t *testing.T, answer http.HandlerFunc) *client.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "n2g") // short: for the socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(answer)
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return client.New(socket)
}

// Whoever follows a project knows how it ends, however soon that comes.
func TestUntilEndMissesNoEnd(t *testing.T) {
	asked, end := make(chan struct{}), make(chan struct{})
	c := answerEvents(t, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		json.NewEncoder(w).Encode(control.Message{State: &control.State{}})
		http.NewResponseController(w).Flush()
		<-end
		json.NewEncoder(w).Encode(control.Message{End: &control.End{Code: 5}})
	})
	ctx, ended, cancel, err := untilEnd(t.Context(), c)
	defer cancel()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-asked:
	default:
		t.Error("it returned before it followed the project")
	}
	close(end)
	if got := <-ended; got.Code != 5 || got.err != nil {
		t.Errorf("the project ended with %+v", got)
	}
	<-ctx.Done()
}

// A supervisor that goes away has not ended well.
func TestUntilEndWithoutAnEnd(t *testing.T) {
	c := answerEvents(t, func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(control.Message{State: &control.State{}})
	})
	_, ended, cancel, err := untilEnd(t.Context(), c)
	defer cancel()
	if err != nil {
		t.Fatal(err)
	}
	if got := <-ended; got.err == nil {
		t.Errorf("the project ended with %+v", got)
	}
	refuses := answerEvents(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	if _, _, cancel, err = untilEnd(t.Context(), refuses); err == nil {
		t.Error("nobody follows, and it is no error")
	}
	cancel()
}

// A wait for a copy ends with the copy, has its exit code where that is asked for, and leaves
// the services to others.
func TestWaitForACopy(t *testing.T) {
	failed := project.Exit{Code: 3}
	for _, test := range []struct {
		cond   string
		chosen bool
		end    *project.Exit
		code   int
	}{
		{"ready", false, &failed, exitOK},
		{control.ForStopped, true, &failed, exitOK},
		{"exited", true, &failed, 3},
		{"completed", true, &failed, 3},
		{"exited", true, &project.Exit{}, exitOK},
		{"exited", true, nil, exitFailed}, // whoever ran it was killed
		{"ready", true, &failed, exitUsage},
	} {
		c := answerEvents(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				json.NewEncoder(w).Encode(control.Reply{Ended: []control.EndedCopy{{Name: "api-run-1", Exit: test.end}}})
				return
			}
			json.NewEncoder(w).Encode(control.State{Snapshot: control.Snapshot{Services: []control.Service{{ID: "db", Label: "db"}}}})
		})
		opts := waitOptions{cond: test.cond, chosen: test.chosen, target: target{services: []string{"db", "api-run-1"}}}
		others, err := waitCopies(t.Context(), &Env{}, c, &opts)
		if exitCode(err) != test.code || err == nil && !slices.Equal(others, []string{"db"}) {
			t.Errorf("%+v: got %v, %v", test, others, err)
		}
	}
}

// A copy that is stopped may be the last, and the project gone before the end of the copy is
// asked for.
func TestStopOfTheLastCopy(t *testing.T) {
	c := answerEvents(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/state":
			json.NewEncoder(w).Encode(control.State{Copies: []control.RunningCopy{{Name: "api-run-1"}}})
		case "/v1/stop":
			json.NewEncoder(w).Encode(control.Reply{Copies: []string{"api-run-1"}})
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
			json.NewEncoder(w).Encode(control.ErrNotRunning)
		}
	})
	var out strings.Builder
	opts := actOptions{target: target{services: []string{"api-run-1"}}}
	if err := opts.stopCopies(t.Context(), &Env{Stdout: &out, Now: time.Now}, c); err != nil || !strings.HasPrefix(out.String(), "api-run-1: stopped (") {
		t.Errorf("%v; it printed %q", err, out.String())
	}
}
