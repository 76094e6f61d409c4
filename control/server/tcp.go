package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/control"
)

// The limits on those who ask over TCP; those of the socket are its own.
const (
	maxPeers     = 128 // connections
	maxPerPeer   = 32  // of one address
	peerStreams  = 32  // those that follow or wait
	wrongTokens  = 10  // of one address in wrongTime, before it is not listened to
	wrongTime    = time.Minute
	maxToken     = 4 << 10
	minToken     = 16
	tokenMayRead = 0o077 // bits of a token's file that must not be set
)

// TCP says who may ask what over TCP.
type TCP struct {
	Token       string      // path of a file; read anew for each request, so that it can be replaced
	TLS         *tls.Config // nil: none, which is for loopback only
	Allow       []Access    // beside AccessRead and AccessAct
	Hosts       []string    // names by which clients may call this machine, beside addresses and localhost
	MetricsOnly bool        // nothing but /metrics, for which no token is needed, and off loopback no name
}

// ServeTCP answers on l until Close.
func (s *Server) ServeTCP(l net.Listener, opts TCP) error {
	t := &tcp{TCP: opts, server: s, wrong: map[netip.Addr]*wrongs{}}
	own := net.Listener(&limited{Listener: l, conns: maxPeers, perPeer: maxPerPeer, streams: peerStreams})
	if opts.TLS != nil {
		config := opts.TLS.Clone()
		config.NextProtos = []string{"http/1.1"} // one request at a time on each connection, of which there are few
		own = tls.NewListener(own, config)
	}
	h := s.httpServer(t.handler())
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return l.Close()
	}
	s.others = append(s.others, h)
	s.mu.Unlock()
	err := h.Serve(own)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// tcp admits requests that come over TCP.
type tcp struct {
	TCP
	server *Server

	mu    sync.Mutex
	wrong map[netip.Addr]*wrongs
}

// wrongs are the wrong tokens of one address.
type wrongs struct {
	since time.Time
	n     int
}

// tcpKey is where the context of a request that came over TCP has what was allowed.
type tcpKey struct{}

func overTCP(ctx context.Context) bool { return ctx.Value(tcpKey{}) != nil }

// maySee reports whether part of an answer that needs an access by name is for who asks.
func maySee(ctx context.Context, access Access) bool {
	allowed, over := ctx.Value(tcpKey{}).([]Access)
	return !over || slices.Contains(allowed, access)
}

func (t *tcp) handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		if !t.MetricsOnly || route.Path == "/metrics" {
			mux.Handle(route.Method+" "+route.Path, t.server.answering(t.server.audited(route.Access, t.permitted(route.Access, route.Path, t.server.routed(&route)))))
		}
	}
	if !t.MetricsOnly {
		for _, route := range t.server.processCompose() {
			mux.Handle(route.pattern, t.server.answering(t.server.audited(route.access, t.permitted(route.access, route.pattern, route.serve))))
		}
	}
	asked := t.server.bounded(untrailed(known(mux)))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), tcpKey{}, t.Allow))
		t.server.answering(func(w http.ResponseWriter, r *http.Request) error {
			if err := t.admit(r); err != nil {
				if errors.Is(err, errNoToken) {
					w.Header().Set("WWW-Authenticate", "Bearer")
				}
				return err
			}
			if !t.MetricsOnly {
				defer t.guard(r)()
			}
			asked.ServeHTTP(w, r)
			return nil
		}).ServeHTTP(w, r)
	})
}

// permitted is a handler of what needs an access.
func (t *tcp) permitted(access Access, what string, h handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		switch {
		case access == "" || access == AccessRead || access == AccessAct, slices.Contains(t.Allow, access):
			return h(w, r)
		case access == AccessLocal:
			return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("%s is never answered over TCP", what), Hint: "ask through the control socket"}
		}
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("%s is not answered over TCP: it was not allowed", what),
			Hint: fmt.Sprintf("start the project with --listen-allow %s, or ask through the control socket", access)}
	}
}

// errNoToken is matched by what a request without the right token gets.
var errNoToken = &control.Error{Code: control.CodeUnauthorized}

// admit refuses requests that a web page of somebody else has made, and those without the
// token.
func (t *tcp) admit(r *http.Request) error {
	if !t.knows(r.Host) && !(t.MetricsOnly && !toLoopback(r)) {
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("%q is no name of this machine that is known here", r.Host),
			Hint: "use its address, or start the project with --listen-host"}
	}
	if origin := r.Header.Get("Origin"); origin != "" && !t.sameOrigin(origin, r) || !slices.Contains([]string{"", "same-origin", "none"}, r.Header.Get("Sec-Fetch-Site")) {
		return &control.Error{Code: control.CodeForbidden, Msg: fmt.Sprintf("a page of %q may not ask here", origin), Hint: "ask from a program, or from the address bar"}
	}
	if t.MetricsOnly {
		return nil
	}
	if err := t.token(r); err != nil {
		return err
	}
	if r.ContentLength != 0 && r.Method != http.MethodGet {
		if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
			return &control.Error{Code: control.CodeMediaType, Msg: fmt.Sprintf("the body must be application/json, not %q", r.Header.Get("Content-Type")),
				Hint: "set the header Content-Type"}
		}
	}
	return nil
}

// toLoopback reports whether a request was sent to this machine's loopback. Elsewhere,
// everybody who reaches the address may have the metrics, by whatever name they know it.
func toLoopback(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return !ok || local.IP.IsLoopback()
}

// knows reports whether a client may call this machine so. A name is refused: a page can
// make its own name stand for any address.
func (t *tcp) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	return slices.ContainsFunc(t.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

func (t *tcp) sameOrigin(origin string, r *http.Request) bool {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return strings.EqualFold(origin, scheme+r.Host)
}

// token refuses a request without the token. An address that has tried too many wrong
// ones is not listened to for a while, whatever it says.
func (t *tcp) token(r *http.Request) error {
	peer := peerAddr(r.RemoteAddr)
	if !t.mayTry(peer) {
		return &control.Error{Code: control.CodeBusy, Msg: fmt.Sprintf("%d wrong tokens came from this address within %v", wrongTokens, wrongTime), Hint: "try again in a minute"}
	}
	want, err := ReadToken(t.Token)
	if err != nil {
		t.server.opts.Log.Error("token", "err", err)
		return &control.Error{Code: control.CodeUnauthorized, Msg: "the token of this project cannot be read", Hint: "the supervisor's log says why"}
	}
	given := givenToken(r)
	if sameToken(given, want) {
		return nil
	}
	if given == "" {
		return &control.Error{Code: control.CodeUnauthorized, Msg: "a token is needed", Hint: "send the header \"Authorization: Bearer TOKEN\""}
	}
	t.failed(peer)
	t.server.opts.Log.Warn("wrong token", "peer", r.RemoteAddr)
	return &control.Error{Code: control.CodeUnauthorized, Msg: "the token is wrong", Hint: "the project's file of it has the right one"}
}

func givenToken(r *http.Request) string {
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		given = r.Header.Get("X-PC-Token-Key") // which clients of process-compose send
	}
	return given
}

func sameToken(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want)) // so that the time says nothing of the length
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// guard closes the connection of a request that goes on, such as one that follows logs,
// when its token is no longer the right one. One look that fails does not count: the file
// may be in the making. The request has ended when done is called.
func (t *tcp) guard(r *http.Request) (done func()) {
	over := make(chan struct{})
	go func() {
		look := time.NewTicker(t.server.tokenTime)
		defer look.Stop()
		for wrong := 0; wrong < 2; {
			select {
			case <-over:
				return
			case <-look.C:
			}
			if want, err := ReadToken(t.Token); err != nil || !sameToken(givenToken(r), want) {
				wrong++
			} else {
				wrong = 0
			}
		}
		t.server.opts.Log.Info("closed, since its token was replaced", "peer", r.RemoteAddr)
		connOf(r.Context()).Close()
	}()
	return func() { close(over) }
}

func peerAddr(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

func (t *tcp) mayTry(peer netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.wrong[peer]
	return w == nil || w.n < wrongTokens || time.Since(w.since) > wrongTime
}

func (t *tcp) failed(peer netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for addr, w := range t.wrong { // what is over is forgotten, so that this stays small
		if time.Since(w.since) > wrongTime {
			delete(t.wrong, addr)
		}
	}
	w := t.wrong[peer]
	if w == nil {
		if len(t.wrong) >= 10_000 {
			return
		}
		w = &wrongs{since: time.Now()}
		t.wrong[peer] = w
	}
	w.n++
}

// ReadToken reads the token of a file that only its owner, we or root, may read.
func ReadToken(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return "", fmt.Errorf("token file %q: %v\nhint: (umask 077; openssl rand -hex 32 >%s)", path, err, path)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("token file %q is no plain file\nhint: name a file with one line, the token", path)
	case ok && int(st.Uid) != os.Geteuid() && st.Uid != 0:
		return "", fmt.Errorf("token file %q belongs to user %d, not to us (user %d)\nhint: chown it", path, st.Uid, os.Geteuid())
	case info.Mode().Perm()&tokenMayRead != 0:
		return "", fmt.Errorf("token file %q may be read by others (mode %04o)\nhint: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("token file %q: %v", path, err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < minToken || len(data) > maxToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("token file %q must have one word of %d to %d characters\nhint: (umask 077; openssl rand -hex 32 >%s)", path, minToken, maxToken, path)
	}
	return token, nil
}

// Certificate is the configuration of a server whose certificate is in files. They are
// read anew for each connection, so that they can be replaced.
func Certificate(certFile, keyFile string) (*tls.Config, error) {
	load := func() (*tls.Certificate, error) {
		c, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("TLS of %q and %q: %v", certFile, keyFile, err)
		}
		return &c, nil
	}
	if _, err := load(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return load() }}, nil
}

// ListenTCP opens an address.
func ListenTCP(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, &control.Error{Code: control.CodeConflict, Msg: fmt.Sprintf("cannot listen on %s: another program does", address),
			Hint: "choose another port, or end that program"}
	}
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("cannot listen on %s: %v", address, err)
	}
	return l, nil
}
