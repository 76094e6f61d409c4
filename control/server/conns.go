package server

import (
	"container/list"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"nix2gpu/control"
)

// Connections are bounded, so that nobody can take all descriptors of the
// supervisor. Those who follow or wait, which can take for ever, have a bound
// of their own: the other places are for short requests.
const (
	maxConns     = 256
	maxFollowers = 128
)

// farewell is what an evicted connection has for its last words.
const farewell = time.Second

// A limited listener has no more than maxConns connections. A newcomer is
// always let in: the connection that was silent for longest has to go, which
// waits for a request, for the rest of one, or for somebody to read its answer.
type limited struct {
	net.Listener

	mu        sync.Mutex
	open      list.List // of *conn; those at the front were silent for longest
	followers int
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if own := l.admit(c); own != nil {
			return own, nil
		}
		c.Close()
	}
}

// admit gives a connection its place; nil when too many of those that were
// told to go are still there.
func (l *limited) admit(c net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open.Len() >= maxConns {
		for e := l.open.Front(); e != nil; e = e.Next() {
			if old := e.Value.(*conn); !old.follows && old.evict() {
				break
			}
		}
	}
	if l.open.Len() >= 2*maxConns {
		return nil
	}
	own := &conn{Conn: c, of: l}
	own.place = l.open.PushBack(own)
	return own
}

// A conn is one that its listener knows, and can end.
type conn struct {
	net.Conn
	of      *limited
	place   *list.Element // guarded by of.mu, as follows is; nil: closed
	follows bool

	mu   sync.Mutex // after of.mu
	gone time.Time  // when it was evicted
}

// evict makes all reads fail and lets only the last words be written; false
// when that was done before.
func (c *conn) evict() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone.IsZero() {
		return false
	}
	c.gone = time.Now()
	c.Conn.SetReadDeadline(c.gone)
	c.Conn.SetWriteDeadline(c.gone.Add(farewell))
	return true
}

func (c *conn) evicted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.gone.IsZero()
}

// Read is the connection's, which has something to say, so it moves back.
func (c *conn) Read(b []byte) (int, error) {
	if c.evicted() {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.of.mu.Lock()
		if c.place != nil {
			c.of.open.MoveToBack(c.place)
		}
		c.of.mu.Unlock()
	}
	return n, err
}

// SetReadDeadline is the connection's, while it is not evicted.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone.IsZero() {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is the connection's, while it is not evicted.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone.IsZero() {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close gives the place back.
func (c *conn) Close() error {
	c.of.mu.Lock()
	if c.place != nil {
		c.of.open.Remove(c.place)
		c.place = nil
		if c.follows {
			c.of.followers--
		}
	}
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// follow makes the connection one of those that may take for ever, until the
// request is done.
func (c *conn) follow() (done func(), err error) {
	l := c.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers >= maxFollowers {
		return nil, &control.Error{
			Code: control.CodeBusy,
			Msg:  fmt.Sprintf("%d requests follow events or wait already, and no more are allowed", maxFollowers),
			Hint: "end one of them, or try again later",
		}
	}
	if c.place == nil || c.evicted() {
		return nil, evictedError()
	}
	c.follows = true
	l.followers++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.follows && c.place != nil {
			l.followers--
		}
		c.follows = false
	}, nil
}

// evictedError is said to a connection that had to make room.
func evictedError() error {
	return &control.Error{
		Code: control.CodeBusy,
		Msg:  fmt.Sprintf("too many connections: %d are open, and this one was silent the longest", maxConns),
		Hint: "try again",
	}
}

// connKey is where the context of a request holds its *conn.
type connKey struct{}

// connOf is the connection of a request.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
