package server

import (
	"container/list"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"nix2gpu/control"
)

// The number of connections is bounded, so that nobody can use up the supervisor's file
// descriptors. Requests that follow or wait, which can take for ever, have a bound of
// their own, so that short requests always find a place.
const (
	maxConns     = 256
	maxFollowers = 128
)

// farewell is how long an evicted connection has to send its error.
const farewell = time.Second

// A limited listener keeps about maxConns connections open. It admits every new one and
// evicts the one that was silent for longest: that one waits for a request, for the
// rest of one, or for its client to read the answer.
type limited struct {
	net.Listener
	conns, streams int
	perPeer        int // connections of one address; 0: as many as all

	mu        sync.Mutex
	open      list.List // of *conn; the one at the front was silent for longest
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

// admit gives a connection its place. It returns nil while as many evicted connections
// as maxConns are not closed yet.
func (l *limited) admit(c net.Conn) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := &conn{Conn: c, of: l}
	if l.perPeer > 0 {
		own.peer = peerAddr(c.RemoteAddr().String())
		n := 0
		for e := l.open.Front(); e != nil; e = e.Next() {
			if e.Value.(*conn).peer == own.peer {
				n++
			}
		}
		if n >= l.perPeer {
			l.evictOne(func(old *conn) bool { return old.peer == own.peer })
		}
		if n >= 2*l.perPeer {
			return nil
		}
	}
	if l.open.Len() >= l.conns {
		l.evictOne(func(*conn) bool { return true })
	}
	if l.open.Len() >= 2*l.conns {
		return nil
	}
	own.place = l.open.PushBack(own)
	return own
}

// evictOne evicts the connection that was silent for longest of those that may go. The
// caller holds mu.
func (l *limited) evictOne(may func(*conn) bool) {
	for e := l.open.Front(); e != nil; e = e.Next() {
		if old := e.Value.(*conn); !old.follows && may(old) && old.evict() {
			return
		}
	}
}

// A conn is a connection that its listener can evict.
type conn struct {
	net.Conn
	of      *limited
	peer    netip.Addr    // of TCP
	place   *list.Element // nil: closed; guarded by of.mu
	follows bool          // guarded by of.mu

	mu   sync.Mutex // locked after of.mu where both are
	gone time.Time  // when it was evicted
}

// evict makes all reads fail and leaves a moment to write an error. It returns false if
// the connection was evicted before.
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

// Read reads, and makes the connection the last one to be evicted.
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

// SetReadDeadline does nothing once the connection is evicted: net/http would lift the
// deadline that ends it.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone.IsZero() {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline does nothing once the connection is evicted, as SetReadDeadline.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.gone.IsZero() {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// Close closes the connection and frees its place.
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

// follow exempts the connection from eviction, as one whose request may take for ever,
// until done is called.
func (c *conn) follow() (done func(), err error) {
	l := c.of
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.followers >= l.streams {
		return nil, &control.Error{
			Code: control.CodeBusy,
			Msg:  fmt.Sprintf("%d requests follow events or wait already, and no more are allowed", l.streams),
			Hint: "end one of them, or try again later",
		}
	}
	if c.place == nil || c.evicted() {
		return nil, evictedError(l.conns)
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

// evictedError is the answer to a request whose connection had to make room.
func evictedError(conns int) error {
	return &control.Error{
		Code: control.CodeBusy,
		Msg:  fmt.Sprintf("too many connections: %d are open, and this one was silent the longest", conns),
		Hint: "try again",
	}
}

// connKey is the key of the *conn in the context of a request.
type connKey struct{}

// connOf returns the connection of a request.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}
