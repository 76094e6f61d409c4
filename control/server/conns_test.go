package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
)

// dial opens a connection and sends the beginning of a request.
func dial(t *testing.T, socket, begin string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, begin); err != nil && !errors.Is(err, io.EOF) {
		t.Logf("send: %v", err) // it was evicted already
	}
	return c
}

// Whatever idles on the socket, short requests are answered.
func TestIdleConnectionsLockNobodyOut(t *testing.T) {
	const head = "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
	for name, begin := range map[string]string{
		"nothing":       "",
		"half a header": "GET /v1/state HTTP/1.1\r\nHo",
		"half a body":   head + `{"services":["api"`,
		"kept alive":    "GET /live HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			heard := &hearing{first: make(chan struct{})}
			c, srv, socket := serveOn(t, f, func(l net.Listener) net.Listener { heard.Listener = l; return heard })
			srv.SetBodyTime(testkit.Patience) // time must not end a connection here
			first := dial(t, socket, begin)
			if begin != "" {
				<-heard.first // what a connection says moves it back: let nobody overtake it
			}
			for range server.MaxConns + 50 {
				dial(t, socket, begin)
			}
			if _, err := c.State(t.Context()); err != nil {
				t.Errorf("State = %v", err)
			}
			if err := c.Down(t.Context(), false); err != nil || <-f.asked != "down" {
				t.Errorf("Down = %v", err)
			}
			// The first one was evicted: with an answer, if it had asked.
			got, err := io.ReadAll(first)
			if strings.HasPrefix(begin, "POST") && !(strings.Contains(string(got), " 429 ") && strings.Contains(string(got), "too many connections")) {
				t.Errorf("the oldest connection got %q, %v", got, err)
			}
		})
	}
	t.Attr("S2", fmt.Sprintf("%d idle connections of each of 4 kinds, and others are answered", server.MaxConns+50))
}

// A hearing listener tells when something was read from a connection for the first time.
type hearing struct {
	net.Listener
	once  sync.Once
	first chan struct{}
}

type heardConn struct {
	*net.UnixConn
	by *hearing
}

func (h *hearing) Accept() (net.Conn, error) {
	c, err := h.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return heardConn{c.(*net.UnixConn), h}, nil
}

func (c heardConn) Read(b []byte) (int, error) {
	n, err := c.UnixConn.Read(b)
	if n > 0 {
		c.by.once.Do(func() { close(c.by.first) })
	}
	return n, err
}

func TestFollowersAreBoundedApart(t *testing.T) {
	c, _, _ := serve(t, newFake())
	begun := make(chan error, server.MaxFollowers)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	one, end := context.WithCancel(ctx)
	for i := range server.MaxFollowers {
		ctx := ctx
		if i == 0 {
			ctx = one
		}
		go func() {
			first := true
			err := c.Events(ctx, func(m control.Message) error {
				if first {
					first = false
					begun <- nil
				}
				return nil
			})
			if first {
				begun <- err
			}
		}()
	}
	for range server.MaxFollowers {
		if err := <-begun; err != nil {
			t.Fatalf("not all follow: %v", err)
		}
	}
	for what, err := range map[string]error{
		"events": c.Events(t.Context(), func(control.Message) error { return nil }),
		"wait":   errorOf(c.Wait(t.Context(), []string{"api"}, "ready")),
	} {
		if want := fmt.Sprintf("%d requests follow events or wait already", server.MaxFollowers); !errors.Is(err, control.ErrBusy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s beyond the bound: %v", what, err)
		}
	}
	for range server.MaxConns { // they don't take the place of others either
		if _, err := c.State(t.Context()); err != nil {
			t.Fatalf("State = %v", err)
		}
	}
	end() // one place is free again, once the server has seen it
	for {
		err := errorOf(c.Wait(t.Context(), []string{"api"}, "ready"))
		if err == nil {
			break
		}
		if !errors.Is(err, control.ErrBusy) {
			t.Fatalf("with a free place: %v", err)
		}
		time.Sleep(time.Millisecond)
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestSlowBodyIsGivenUp(t *testing.T) {
	_, srv, socket := serve(t, newFake())
	srv.SetBodyTime(time.Millisecond)
	c := dial(t, socket, "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
	got, err := io.ReadAll(c)
	if err != nil || !strings.Contains(string(got), " 504 ") || !strings.Contains(string(got), "did not come within 1ms") {
		t.Errorf("got %q, %v", got, err)
	}
}

// A recorder records the read deadlines of its connections.
type recorder struct {
	net.Listener
	mu   sync.Mutex
	ends []time.Time
}

type recorded struct {
	*net.UnixConn
	by *recorder
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return recorded{c.(*net.UnixConn), r}, nil
}

func (c recorded) SetReadDeadline(end time.Time) error {
	c.by.mu.Lock()
	defer c.by.mu.Unlock()
	c.by.ends = append(c.by.ends, end)
	return c.UnixConn.SetReadDeadline(end)
}

// A request may take longer than its body, so the deadline must go with the body: it
// would end the request.
func TestBodyTimeEndsWithTheBody(t *testing.T) {
	f := newFake()
	r := &recorder{}
	c, _, _ := serveOn(t, f, func(l net.Listener) net.Listener { r.Listener = l; return r })
	var ends []time.Time
	f.onWait = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		ends = slices.Clone(r.ends)
	}
	if _, err := c.Wait(t.Context(), []string{"api"}, "ready"); err != nil {
		t.Errorf("Wait = %v", err)
	}
	set := slices.DeleteFunc(slices.Clone(ends), time.Time.IsZero)
	if len(set) != 2 || !ends[len(ends)-1].IsZero() {
		t.Errorf("deadlines until the request ran: %v; want one for the header, one for the body, then none", ends)
	}
}

func TestBodyIsBounded(t *testing.T) {
	_, _, socket := serve(t, newFake())
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The server may close before it has taken all of it: an http.Client that is late then
	// gives the failed write, and not the answer, which is there.
	sent := `{"services":["` + strings.Repeat("x", 2<<20) + `"]}`
	go fmt.Fprintf(conn, "POST /v1/stop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(sent), sent)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "too large") {
		t.Errorf("got %s %s", resp.Status, body)
	}
}
