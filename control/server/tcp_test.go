package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

const secretToken = "0123456789abcdef0123456789abcdef"

// writeToken writes a file with a token.
func writeToken(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oneCopy is a session that has one copy.
type oneCopy struct{ server.Copies }

func (oneCopy) Running() []control.RunningCopy {
	return []control.RunningCopy{{Name: "api-run-1", Command: []string{"psql", "--password", "hunter3"}}}
}

func (oneCopy) Ended(string) bool { return false }

func (oneCopy) Await(context.Context, string) (control.EndedCopy, error) {
	return control.EndedCopy{}, errors.New("it is waited for")
}

// serveTCP serves a fake over TCP, and returns the address.
func serveTCP(t *testing.T, f *fake, opts server.TCP, before func(*server.Server)) string {
	t.Helper()
	l, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveTCPOn(t, l, f, opts, before)
}

func serveTCPOn(t *testing.T, l net.Listener, f *fake, opts server.TCP, before func(*server.Server)) string {
	t.Helper()
	srv := server.New(server.Options{Engine: f, Resolve: (*project.Project).ResolveAll, Measure: reading,
		Copies: oneCopy{},
		Reload: func(_ context.Context, p *project.Project) (project.Valid, error) { return project.Validated(p) },
		Usage: func(context.Context, bool) (control.Usage, error) {
			return control.Usage{Services: []control.ServiceUsage{{ID: "api", Processes: []control.ProcessInfo{{PID: 1, Command: "api --password hunter2"}}}}}, nil
		}})
	if before != nil {
		before(srv)
	}
	done := make(chan error, 1)
	go func() { done <- srv.ServeTCP(l, opts) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; err != nil {
			t.Errorf("ServeTCP: %v", err)
		}
	})
	return l.Addr().String()
}

// plainClient asks over TCP.
func plainClient(t *testing.T) *http.Client {
	t.Helper()
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(hc.CloseIdleConnections)
	return hc
}

// A name that nobody has is told at once, and not when the copies beside it have ended.
func TestWaitForACopyAndForNobody(t *testing.T) {
	url := "http://" + serveTCP(t, newFake(), server.TCP{Token: writeToken(t, secretToken)}, nil)
	status, text := ask(t, plainClient(t), "POST", url+"/v1/wait", `{"services":["api-run-1","nobody"],"for":"exited"}`, "Authorization", "Bearer "+secretToken)
	if status != 404 {
		t.Errorf("got %d %s, want 404", status, text)
	}
}

func TestTCPAdmitsByToken(t *testing.T) {
	f := newFake()
	path := writeToken(t, secretToken)
	url := "http://" + serveTCP(t, f, server.TCP{Token: path}, nil)
	hc := plainClient(t)
	for _, headers := range [][]string{{"Authorization", "Bearer " + secretToken}, {"X-PC-Token-Key", secretToken}} {
		if status, text := ask(t, hc, "GET", url+"/v1/state", "", headers...); status != 200 {
			t.Errorf("with %v: %d %s", headers, status, text)
		}
	}
	for name, headers := range map[string][]string{
		"none": nil, "wrong": {"Authorization", "Bearer " + secretToken + "0"}, "another scheme": {"Authorization", "Basic " + secretToken}, "empty": {"Authorization", "Bearer "}, "the beginning": {"Authorization", "Bearer " + secretToken[:31]},
	} {
		status, text := ask(t, hc, "GET", url+"/v1/state", "", headers...)
		if status != 401 || !strings.Contains(text, `"unauthorized"`) || strings.Contains(text, "shop") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	// Another one, without a restart.
	const next = "another-token-of-some-length"
	if err := os.WriteFile(path, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, hc, "GET", url+"/v1/state", "", "Authorization", "Bearer "+next); status != 200 {
		t.Errorf("the new token: %d", status)
	}
	if status, _ := ask(t, hc, "GET", url+"/v1/state", "", "Authorization", "Bearer "+secretToken); status != 401 {
		t.Errorf("the old token: %d", status)
	}
	// Nobody gets in while it may be read by others.
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, hc, "GET", url+"/v1/state", "", "Authorization", "Bearer "+next); status != 401 {
		t.Errorf("with a token that others may read: %d", status)
	}
}

// Whoever follows with a token that was replaced is cut off, and nobody else.
func TestTCPEndsStreamsOfAReplacedToken(t *testing.T) {
	f := newFake()
	path := writeToken(t, secretToken)
	url := "http://" + serveTCP(t, f, server.TCP{Token: path}, func(s *server.Server) { s.SetTokenTime(10 * time.Millisecond) })
	hc := plainClient(t)
	follow := func(token string) *bufio.Reader {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := hc.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		body := bufio.NewReader(resp.Body)
		if first, err := body.ReadString('\n'); err != nil || !strings.Contains(first, `"state"`) {
			t.Fatalf("got %d %q, %v", resp.StatusCode, first, err)
		}
		return body
	}
	old := follow(secretToken)
	const next = "another-token-of-some-length"
	if err := os.WriteFile(path, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	current := follow(next)
	if text, err := io.ReadAll(old); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the old stream ended with %q, %v", text, err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for seq := uint64(8); ; seq++ { // the old stream's may take one at its end
			select {
			case f.events <- control.Event{Seq: seq, Service: control.Service{ID: "api", State: "running"}}:
			case <-stop:
				return
			}
		}
	}()
	if text, err := current.ReadString('\n'); err != nil || !strings.Contains(text, `"api"`) {
		t.Errorf("the new stream: %q, %v", text, err)
	}
}

func TestTCPStopsListeningToGuessers(t *testing.T) {
	url := "http://" + serveTCP(t, newFake(), server.TCP{Token: writeToken(t, secretToken)}, nil)
	hc := plainClient(t)
	for range server.WrongTokens {
		if status, _ := ask(t, hc, "GET", url+"/v1/state", "", "Authorization", "Bearer guess"); status != 401 {
			t.Errorf("a guess: %d", status)
		}
	}
	for _, tok := range []string{"guess", secretToken} {
		if status, text := ask(t, hc, "GET", url+"/v1/state", "", "Authorization", "Bearer "+tok); status != 429 || !strings.Contains(text, "wrong tokens came from this address") {
			t.Errorf("then %s: %d %s", tok, status, text)
		}
	}
}

// What may be asked is what is documented, and what was allowed.
func TestTCPPermits(t *testing.T) {
	f := newFake()
	close(f.events)
	go func() {
		for range f.asked { // and forget
		}
	}()
	path := writeToken(t, secretToken)
	some := serveTCP(t, f, server.TCP{Token: path, Allow: []server.Access{server.AccessKill, server.AccessReload}}, nil)
	none := serveTCP(t, f, server.TCP{Token: path}, nil)
	hc := plainClient(t)
	refused, answered := 0, 0
	for _, r := range server.Routes() {
		if r.Stream {
			continue
		}
		for addr, allowed := range map[string]bool{
			none: r.Access == "" || r.Access == server.AccessRead || r.Access == server.AccessAct,
			some: r.Access == "" || r.Access == server.AccessRead || r.Access == server.AccessAct || r.Access == server.AccessKill || r.Access == server.AccessReload,
		} {
			body := ""
			if r.Body != nil {
				body = "{}"
			}
			status, text := ask(t, hc, r.Method, "http://"+addr+strings.ReplaceAll(r.Path, "{name}", "api"), body, "Authorization", "Bearer "+secretToken)
			if status == 403 {
				refused++
			} else {
				answered++
			}
			if (status == 403) == allowed {
				t.Errorf("%s %s: %d %s", r.Method, r.Path, status, text)
			}
			if status == 403 && !strings.Contains(text, "--listen-allow "+string(r.Access)) && r.Access != server.AccessLocal {
				t.Errorf("%s %s does not say how: %s", r.Method, r.Path, text)
			}
		}
	}
	for pattern, want := range map[string]int{"GET /processes": 200, "POST /process/start/api": 200, "PATCH /process/stop/api": 200, "POST /project/stop": 403} {
		method, path, _ := strings.Cut(pattern, " ")
		if status, text := ask(t, hc, method, "http://"+none+path, "", "Authorization", "Bearer "+secretToken); status != want {
			t.Errorf("%s: %d %s", pattern, status, text)
		}
	}
	all := serveTCP(t, f, server.TCP{Token: path, Allow: []server.Access{server.AccessDefinition, server.AccessLocal}}, nil)
	for pattern, want := range map[string]int{"/v1/project": 200, "/v1/project?masked=no": 403} {
		if status, text := ask(t, hc, "GET", "http://"+all+pattern, "", "Authorization", "Bearer "+secretToken); status != want {
			t.Errorf("%s: %d %s", pattern, status, text)
		}
	}
	if _, text := ask(t, hc, "GET", "http://"+none+"/v1/usage", "", "Authorization", "Bearer "+secretToken); strings.Contains(text, "hunter2") {
		t.Errorf("arguments: %s", text)
	}
	// Commands of copies are told like those of services.
	for addr, shown := range map[string]bool{none: false, all: true} {
		for _, path := range []string{"/v1/state", "/v1/events?follow=no"} {
			if _, text := ask(t, hc, "GET", "http://"+addr+path, "", "Authorization", "Bearer "+secretToken); strings.Contains(text, "hunter3") != shown || !strings.Contains(text, "api-run-1") {
				t.Errorf("%s: %s", path, text)
			}
		}
	}
	t.Attr("S11", fmt.Sprintf("%d requests answered, %d refused, as the table of routes says", answered, refused))
}

// No page of a browser gets anything, whatever names it plays with.
func TestTCPRefusesPages(t *testing.T) {
	f := newFake()
	addr := serveTCP(t, f, server.TCP{Token: writeToken(t, secretToken), Hosts: []string{"shop.example"}}, nil)
	_, port, _ := net.SplitHostPort(addr)
	hc := plainClient(t)
	refused := 0
	for name, tt := range map[string]struct {
		method, path, host string
		headers            []string
		want               int
	}{
		"by its address":            {"GET", "/v1/state", "", nil, 200},
		"by localhost":              {"GET", "/v1/state", "localhost:" + port, nil, 200},
		"by a known name":           {"GET", "/v1/state", "Shop.Example:" + port, nil, 200},
		"by IPv6":                   {"GET", "/v1/state", "[::1]:" + port, nil, 200},
		"rebound name":              {"GET", "/v1/state", "evil.example:" + port, nil, 403},
		"rebound name like ours":    {"GET", "/v1/state", "localhost.evil.example", nil, 403},
		"cross-site POST":           {"POST", "/v1/stop", "", []string{"Origin", "https://evil.example"}, 403},
		"cross-site form":           {"POST", "/v1/stop", "", []string{"Origin", "null", "Content-Type", "application/x-www-form-urlencoded"}, 403},
		"cross-site by fetch":       {"POST", "/v1/stop", "", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		"same site, another origin": {"GET", "/v1/state", "", []string{"Sec-Fetch-Site", "same-site"}, 403},
		"another port":              {"GET", "/v1/state", "", []string{"Origin", "http://127.0.0.1:1"}, 403},
		"websocket of another":      {"GET", "/v1/events", "", []string{"Origin", "https://evil.example", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, 403},
		"its own page":              {"GET", "/v1/state", "", []string{"Origin", "http://" + addr, "Sec-Fetch-Site", "same-origin"}, 200},
		"preflight":                 {"OPTIONS", "/v1/stop", "", []string{"Access-Control-Request-Method", "POST"}, 405},
		"a form":                    {"POST", "/v1/stop", "", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"plain text":                {"POST", "/v1/stop", "", []string{"Content-Type", "text/plain"}, 415},
		"no type":                   {"POST", "/v1/stop", "", []string{"Content-Type", ""}, 415},
		"with a charset":            {"POST", "/v1/stop", "", []string{"Content-Type", "application/json; charset=utf-8"}, 200},
		"a file":                    {"GET", "/../../../etc/passwd", "", nil, 404},
		"a file, escaped":           {"GET", "/v1/services/..%2f..%2f..%2fetc%2fpasswd", "", nil, 404},
		"a file, escaped twice":     {"GET", "/v1/%2e%2e/%2e%2e/etc/passwd", "", nil, 404},
	} {
		t.Run(name, func(t *testing.T) {
			body := ""
			if tt.method == "POST" {
				body = `{"services":["api"]}`
			}
			req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+addr+tt.path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+secretToken)
			if body != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			if tt.host != "" {
				req.Host = tt.host
			}
			for i := 0; i < len(tt.headers); i += 2 {
				req.Header.Set(tt.headers[i], tt.headers[i+1])
				if tt.headers[i+1] == "" {
					req.Header.Del(tt.headers[i])
				}
			}
			resp, err := hc.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, _ := io.ReadAll(resp.Body)
			status := resp.StatusCode
			if location := resp.Header.Get("Location"); location != "" { // a cleaned path is no answer
				status, _ = ask(t, hc, tt.method, "http://"+addr+location, "", "Authorization", "Bearer "+secretToken)
			}
			if status >= 400 {
				refused++
			}
			if status != tt.want {
				t.Errorf("%s %q, want %d", resp.Status, text, tt.want)
			}
			for header := range resp.Header {
				if strings.HasPrefix(header, "Access-Control-") {
					t.Errorf("it has the header %s", header)
				}
			}
			select {
			case asked := <-f.asked:
				if tt.want != 200 {
					t.Errorf("and yet the engine was asked to %s", asked)
				}
			default:
			}
		})
	}
	t.Attr("S4", fmt.Sprintf("%d of %d refused that should be, 0 reached the engine", refused, refused))
}

// A client that sends its header or its body by and by is dropped.
func TestTCPDropsTheSlow(t *testing.T) {
	addr := serveTCP(t, newFake(), server.TCP{Token: writeToken(t, secretToken)}, func(s *server.Server) {
		s.SetHeaderTime(50 * time.Millisecond)
		s.SetBodyTime(50 * time.Millisecond)
	})
	for name, begin := range map[string]string{
		"nothing":       "",
		"half a header": "GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n",
		"half a body":   "POST /v1/stop HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + secretToken + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, begin)
		got, err := io.ReadAll(c) // until it is closed
		var reset *net.OpError
		if err != nil && !errors.As(err, &reset) || strings.Contains(string(got), " 200 ") {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	t.Attr("S3", "3 of 3 kinds closed")
}

// 400 clients that never finish their header, all at once, lock nobody out: one who asks
// meanwhile is answered. And all are dropped in time.
func TestTCPOutlastsManyOfTheSlow(t *testing.T) {
	slow := func(headerTime time.Duration) (addr string, all []net.Conn) {
		addr = serveTCP(t, newFake(), server.TCP{Token: writeToken(t, secretToken)}, func(s *server.Server) { s.SetHeaderTime(headerTime) })
		for range 400 {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			io.WriteString(c, "GET /v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n")
			all = append(all, c)
		}
		return addr, all
	}
	addr, all := slow(10 * time.Minute) // which one who asks has, too
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/v1/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+secretToken)
	hc := plainClient(t)
	if !testkit.Eventually(func() bool { // not at once while those that make room are being closed
		resp, err := hc.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	}) {
		t.Error("one who asks meanwhile is not answered")
	}
	for _, c := range all {
		c.Close()
	}
	_, all = slow(100 * time.Millisecond)
	for i, c := range all {
		got, err := io.ReadAll(c) // until it is closed
		var reset *net.OpError
		if err != nil && !errors.As(err, &reset) || strings.Contains(string(got), " 200 ") {
			t.Errorf("connection %d: %q, %v", i, got, err)
		}
	}
}

// One address can't take all connections.
func TestTCPBoundsAPeer(t *testing.T) {
	addr := serveTCP(t, newFake(), server.TCP{Token: writeToken(t, secretToken)}, func(s *server.Server) { s.SetHeaderTime(10 * time.Minute) })
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	for range server.MaxPerPeer + 5 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if got, err := io.ReadAll(first); len(got) > 0 { // closed for the newcomers
		t.Errorf("the first got %q, %v", got, err)
	}
	if status, text := ask(t, plainClient(t), "GET", "http://"+addr+"/v1/state", "", "Authorization", "Bearer "+secretToken); status != 200 {
		t.Errorf("a short request: %d %s", status, text)
	}
}

func TestTCPOfMetricsAlone(t *testing.T) {
	addr := serveTCP(t, newFake(), server.TCP{MetricsOnly: true}, nil)
	hc := plainClient(t)
	for pattern, want := range map[string]int{"GET /metrics": 200, "GET /v1/state": 404, "GET /": 404, "POST /v1/stop": 404, "POST /metrics": 405, "GET /processes": 404} {
		method, path, _ := strings.Cut(pattern, " ")
		if status, text := ask(t, hc, method, "http://"+addr+path, ""); status != want {
			t.Errorf("%s: %d %s", pattern, status, text)
		}
	}
	if status, _ := ask(t, hc, "GET", "http://"+addr+"/metrics", "", "Origin", "https://evil.example"); status != 403 {
		t.Errorf("a page: %d", status)
	}
}

// A remote listener's connections seem to come in at an address of a network.
type remote struct{ net.Listener }

type remoteConn struct{ net.Conn }

func (l remote) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return remoteConn{c}, err
}

func (remoteConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9464} }

// A page can make its own name stand for this machine's loopback. On a network's address,
// whoever reaches it may have the metrics.
func TestTCPOfMetricsByName(t *testing.T) {
	listen := func() net.Listener {
		l, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	opts := server.TCP{MetricsOnly: true, Hosts: []string{"shop.example"}}
	near, far := serveTCPOn(t, listen(), newFake(), opts, nil), serveTCPOn(t, remote{listen()}, newFake(), opts, nil)
	for _, c := range []struct {
		addr, host string
		want       int
	}{
		{near, near, 200}, {near, "localhost:9464", 200}, {near, "shop.example", 200}, {near, "[::1]:9464", 200},
		{near, "evil.example", 403}, {near, "localhost.evil.example:9464", 403},
		{far, "shop-1:9464", 200}, {far, "192.0.2.1:9464", 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+c.addr+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		resp, err := plainClient(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != c.want {
			t.Errorf("%s (far: %t): %d, want %d", c.host, c.addr == far, resp.StatusCode, c.want)
		}
	}
}

// certificate writes a certificate for 127.0.0.1 with its key.
func certificate(t *testing.T, dir, name string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return certFile, keyFile, pool
}

func TestTCPWithTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, pool := certificate(t, dir, "one")
	config, err := server.Certificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	addr := serveTCP(t, newFake(), server.TCP{Token: writeToken(t, secretToken), TLS: config}, nil)
	over := func(pool *x509.CertPool) *http.Client {
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
	}
	if status, text := ask(t, over(pool), "GET", "https://"+addr+"/v1/state", "", "Authorization", "Bearer "+secretToken); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	if status, text := ask(t, plainClient(t), "GET", "http://"+addr+"/v1/state", "", "Authorization", "Bearer "+secretToken); status != 400 || strings.Contains(text, "shop") {
		t.Errorf("without TLS: %d %s", status, text)
	}
	_, _, next := certificate(t, dir, "two") // replaced without a restart
	if status, text := ask(t, over(next), "GET", "https://"+addr+"/v1/state", "", "Authorization", "Bearer "+secretToken); status != 200 {
		t.Errorf("with the next certificate: %d %s", status, text)
	}
	c, err := net.Dial("tcp", addr) // a stream over TLS is bounded as well
	if err != nil {
		t.Fatal(err)
	}
	secure := tls.Client(c, &tls.Config{RootCAs: next, ServerName: "127.0.0.1"})
	defer secure.Close()
	fmt.Fprintf(secure, "GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n\r\n", secretToken)
	if line, err := bufio.NewReader(secure).ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
		t.Errorf("events: %q, %v", line, err)
	}
	if _, err := server.Certificate(filepath.Join(dir, "none"), keyFile); err == nil {
		t.Error("a certificate that is not there is taken")
	}
}

func TestReadToken(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, err := server.ReadToken(write("good", " "+secretToken+"\n", 0o400)); err != nil || got != secretToken {
		t.Errorf("ReadToken = %q, %v", got, err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"):                         "no such file or directory\nhint: ",
		write("open", secretToken, 0o640):                  "may be read by others (mode 0640)\nhint: chmod 600 ",
		write("empty", "\n", 0o600):                        "must have one word",
		write("short", "secret", 0o600):                    "must have one word of 16",
		write("words", secretToken+" "+secretToken, 0o600): "must have one word",
		write("long", strings.Repeat("x", 5000), 0o600):    "must have one word",
		dir: "is no plain file\nhint: ",
	} {
		if _, err := server.ReadToken(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", filepath.Base(path), err, want)
		}
	}
}

func TestListenTCPOnATakenPort(t *testing.T) {
	l, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var e *control.Error
	if _, err := server.ListenTCP(t.Context(), l.Addr().String()); !errors.As(err, &e) || e.Code != control.CodeConflict || e.Hint == "" {
		t.Errorf("a taken port: %v", err)
	}
}
