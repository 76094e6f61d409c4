package main

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// A site answers probes and counts them.
type site struct {
	listener net.Listener
	asked    atomic.Int64
}

func newSite() (*site, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &site{listener: l}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s, nil
}

func (s *site) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// serve answers the requests of one connection, which it keeps as long as the client
// wants.
func (s *site) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewReader(conn); ; {
		end := false
		for first := true; ; first = false {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.ToLower(strings.TrimSpace(line))
			if line == "" && !first {
				break
			}
			end = end || line == "connection: close"
		}
		s.asked.Add(1)
		keep := "Connection: keep-alive\r\n"
		if end {
			keep = "Connection: close\r\n"
		}
		if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n" + keep + "\r\nok\n")); err != nil || end {
			return
		}
	}
}

// httpProbes measures 100 services that are asked over HTTP each second.
func httpProbes(ctx context.Context, b *bench, peer Peer) (got []float64, err error) {
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	defer s.listener.Close()
	probed := func(_ *place, set *Set) error {
		for i := range set.Services {
			set.Services[i].HTTP = s.port()
		}
		return nil
	}
	err = b.holding(ctx, peer, b.n(100), probed, func(r *run, _ time.Time, _ map[string]int) error {
		if err := pause(ctx, b.settle/2); err != nil {
			return err
		}
		used, asked := cpu(r.cmd.Process.Pid), s.asked.Load()
		if err := pause(ctx, b.window); err != nil {
			return err
		}
		used, asked = cpu(r.cmd.Process.Pid)-used, s.asked.Load()-asked
		got = []float64{float64(used.Microseconds()) / float64(max(1, asked)), float64(asked) / b.window.Seconds()}
		return nil
	})
	return got, err
}

// execProbes measures 100 services of which each is asked by a program each second. The
// processor time is that of the programs, too.
func execProbes(ctx context.Context, b *bench, peer Peer) (got []float64, err error) {
	probed := func(_ *place, set *Set) error {
		for i := range set.Services {
			set.Services[i].Exec = "/bin/true"
		}
		return nil
	}
	n := b.n(100)
	err = b.holding(ctx, peer, n, probed, func(r *run, _ time.Time, _ map[string]int) error {
		if err := pause(ctx, b.settle/2); err != nil {
			return err
		}
		used := cpu(r.cmd.Process.Pid)
		if err := pause(ctx, b.window); err != nil {
			return err
		}
		used = cpu(r.cmd.Process.Pid) - used
		got = []float64{float64(used.Microseconds()) / (float64(n) * b.window.Seconds())}
		return nil
	})
	return got, err
}
