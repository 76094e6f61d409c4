package cli

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"nix2gpu/control"
	"nix2gpu/control/client"
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

// A wait for a copy ends with the copy, and leaves the services to others.
func TestWaitForACopy(t *testing.T) {
	asked := 0
	c := answerEvents(t, func(w http.ResponseWriter, r *http.Request) {
		state := control.State{Copies: []control.RunningCopy{{Name: "api-run-2"}}}
		if asked++; asked < 4 {
			state.Copies = append(state.Copies, control.RunningCopy{Name: "api-run-1"})
		}
		json.NewEncoder(w).Encode(state)
	})
	opts := waitOptions{cond: "ready", target: target{services: []string{"db", "api-run-1"}}}
	others, err := waitCopies(t.Context(), &Env{}, c, &opts)
	if err != nil || len(others) != 1 || others[0] != "db" || asked != 4 {
		t.Errorf("got %v, %v after %d questions", others, err, asked)
	}
	asked, opts.cond, opts.chosen = 0, "completed", true
	if _, err := waitCopies(t.Context(), &Env{}, c, &opts); exitCode(err) != exitUsage {
		t.Errorf("how a copy ends: %v", err)
	}
}
