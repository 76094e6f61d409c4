package faults

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/rundir"
)

// TestSocketFullOfConnections leaves more connections open than the supervisor keeps,
// slow requests and followers of events: ps and down work.
func TestSocketFullOfConnections(t *testing.T) {
	s := sleeper(t)
	up := s.Start("up")
	up.WaitLine("svc: starting")
	socket := filepath.Join("/run/nix2gpu", rundir.Key("", s.Dir)+".sock")
	var followers []net.Conn
	for i := range 600 {
		c, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		text := "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
		if i%2 == 0 {
			text = "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
		}
		_, _ = io.WriteString(c, text) // those beyond the bound have been ended
		if i%2 == 0 {
			followers = append(followers, c)
		}
	}
	for _, c := range followers { // each has its answer, or was ended: none is still on its way
		_ = c.SetReadDeadline(time.Now().Add(testkit.Patience))
		if _, err := c.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("a follower of events has no answer")
		}
	}
	if got := s.MustExec("ps"); !strings.Contains(got, "svc") {
		t.Errorf("ps: %s", got)
	}
	_, stderr, code := s.Exec("events")
	if code != 1 || !strings.Contains(stderr, "128 requests follow events or wait already") || !strings.Contains(stderr, "hint: ") {
		t.Errorf("events: exit code %d, %q; want the truth", code, stderr)
	}
	s.MustExec("down")
	if code := up.Wait(); code != 0 {
		t.Errorf("up: exit code %d", code)
	}
	s.WantNothingLeft()
}
