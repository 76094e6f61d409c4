package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"

	"nix2gpu/control/server"
	"nix2gpu/project"
)

// listenTCP opens what the job, or else the project, says of TCP. It is done before
// anything starts: what can't be opened ends the session, and nothing is lost.
func (s *session) listenTCP() error {
	p := s.job.Project.Project()
	var hosts []string
	if l := cmp.Or(s.job.Listen, p.Listen); l != nil {
		hosts = l.Hosts
		if err := s.serveAPI(l); err != nil {
			return err
		}
	}
	if p.Metrics != nil {
		l, err := server.ListenTCP(context.Background(), p.Metrics.Listen)
		if err != nil {
			return fmt.Errorf("metrics.listen: %w", err)
		}
		s.hub.Sayf("metrics are at http://%s/metrics", l.Addr())
		s.overTCP(l, server.TCP{MetricsOnly: true, Hosts: hosts})
	}
	return nil
}

// serveAPI serves the control API over TCP.
func (s *session) serveAPI(l *project.Listen) error {
	opts := server.TCP{Token: s.besideDefinition(l.TokenFile), Hosts: l.Hosts}
	for _, a := range l.Allow {
		opts.Allow = append(opts.Allow, server.Access(a))
	}
	if l.TokenFile == "" {
		opts.Token = filepath.Join(s.Layout.State, "token")
		if err := makeToken(opts.Token, s.job.Token); err != nil {
			return err
		}
	}
	if _, err := server.ReadToken(opts.Token); err != nil {
		return err
	}
	scheme := "http"
	if l.CertFile != "" {
		var err error
		if opts.TLS, err = server.Certificate(s.besideDefinition(l.CertFile), s.besideDefinition(l.KeyFile)); err != nil {
			return err
		}
		scheme = "https"
	}
	listener, err := server.ListenTCP(context.Background(), l.Address)
	if err != nil {
		return err
	}
	s.hub.Sayf("the control API is at %s://%s, with the token in %s", scheme, listener.Addr(), opts.Token)
	s.overTCP(listener, opts)
	return nil
}

// overTCP serves a listener until the session closes.
func (s *session) overTCP(l net.Listener, opts server.TCP) {
	var served sync.WaitGroup
	served.Go(func() {
		if err := s.server.ServeTCP(l, opts); err != nil {
			s.log.Error("TCP", "address", l.Addr().String(), "err", err)
		}
	})
	s.onClose(func() error {
		s.server.Close()
		served.Wait()
		return nil
	})
}

// besideDefinition is a path of the user's: a relative one begins in the definition's
// folder.
func (s *session) besideDefinition(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(s.Root, path)
}

// makeToken makes the file of a token. Without one that is given, it is random, unless the
// file is there.
func makeToken(path, given string) error {
	if given != "" {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) && given == "" {
		return nil
	}
	if err != nil {
		return err
	}
	if given == "" {
		var random [32]byte
		rand.Read(random[:]) // never fails
		given = hex.EncodeToString(random[:])
	}
	_, err = f.WriteString(given + "\n")
	return errors.Join(err, f.Close())
}

// noteListen says that a reload does not take what it says of TCP.
func (s *session) noteListen(next *project.Project) {
	now := s.job.Project.Project()
	if listenText(now) != listenText(next) {
		s.hub.Say("listen and metrics.listen have changed: that takes effect at the next start of the project")
	}
}

func listenText(p *project.Project) string {
	var l project.Listen
	var m project.Metrics
	if p.Listen != nil {
		l = *p.Listen
	}
	if p.Metrics != nil {
		m = *p.Metrics
	}
	return fmt.Sprint(l.Address, l.TokenFile, l.CertFile, l.KeyFile, l.Allow, l.Hosts, m.Listen)
}
