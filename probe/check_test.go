package probe_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/internal/testkit"
	"nix2gpu/probe"
	"nix2gpu/project"
)

// check makes one check.
func check(t *testing.T, p *project.Probe) error {
	t.Helper()
	return checkFor(t, testkit.Patience, p)
}

// brief is the limit for a check that is never answered.
const brief = 500 * time.Millisecond

// checkFor makes one check with a limit.
func checkFor(t *testing.T, limit time.Duration, p *project.Probe) error {
	t.Helper()
	c, err := probe.NewChecker(p, probe.Deps{Resolve: func(t project.Text) (string, error) { return t.String(), nil }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return c.Check(ctx)
}

// wantError checks err against a part of its text; "" means none.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return n
}

// serve answers each connection with talk.
func serve(t *testing.T, talk func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				talk(c)
			}()
		}
	}()
	return portOf(t, l.Addr().String())
}

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		if code == 302 {
			w.Header().Set("Location", "/status/500")
		}
		w.WriteHeader(code)
		fmt.Fprintln(w, "because of reasons")
	})
	mux.HandleFunc("/host", func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "app.example" || r.Header.Get("X-Probe") != "yes" || r.URL.RawQuery != "a=b" {
			w.WriteHeader(400)
		}
	})
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		junk := make([]byte, 1<<16)
		for {
			if _, err := w.Write(junk); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/says/{text}", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(500)
		fmt.Fprintf(w, "\n%s\nand more", r.PathValue("text"))
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := httptest.NewServer(mux)
	defer server.Close()
	port := portOf(t, server.Listener.Addr().String())
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not matter

	for _, c := range []struct {
		check project.HTTPCheck
		want  string
	}{
		{project.HTTPCheck{Path: "/status/200"}, ""},
		{project.HTTPCheck{Path: "status/204"}, ""},
		{project.HTTPCheck{Path: "/status/302"}, ""},
		{project.HTTPCheck{Path: "/status/404"}, "status 404: because of reasons"},
		{project.HTTPCheck{Path: "/status/503"}, "status 503"},
		{project.HTTPCheck{Path: "/status/401", Status: 401}, ""},
		{project.HTTPCheck{Path: "/status/200", Status: 401}, "status 200, want 401"},
		{project.HTTPCheck{Path: "/host?a=b", Headers: map[string]string{"host": "app.example", "X-Probe": "yes"}}, ""},
		{project.HTTPCheck{Path: "/host?a=b"}, "status 400"},
		{project.HTTPCheck{Path: "/endless"}, "status 500"},
		{project.HTTPCheck{Path: "/says/" + strings.Repeat("y", 200)}, "500: " + strings.Repeat("y", 200)},
		{project.HTTPCheck{Path: "/slow"}, "deadline exceeded"},
		{project.HTTPCheck{Path: "/status/200", Host: "0.0.0.0"}, ""},
		{project.HTTPCheck{Path: "/status/200", Host: "localhost"}, ""},
		{project.HTTPCheck{Path: "/status/200", Scheme: "HTTPS"}, "server gave HTTP response to HTTPS client"},
		{project.HTTPCheck{Port: testkit.Port(t)}, "connection refused"},
	} {
		if c.check.Port == 0 {
			c.check.Port = port
		}
		t.Run(c.check.Path+" "+c.want, func(t *testing.T) {
			limit := testkit.Patience
			if c.check.Path == "/slow" {
				limit = brief
			}
			wantError(t, checkFor(t, limit, &project.Probe{HTTP: &c.check}), c.want)
		})
	}
	// What is no sentence is left out: a page, and what is long.
	for _, text := range []string{"<html>", strings.Repeat("y", 201)} {
		err := check(t, &project.Probe{HTTP: &project.HTTPCheck{Port: port, Path: "/says/" + text}})
		if !strings.HasSuffix(err.Error(), ": status 500") {
			t.Errorf("%s: %v", text, err)
		}
	}
	closed := testkit.Port(t)
	if err := check(t, &project.Probe{HTTP: &project.HTTPCheck{Port: closed}}); err.Error() != fmt.Sprintf("127.0.0.1:%d: connection refused", closed) {
		t.Errorf("refused: %v", err)
	}
}

func TestPortBounds(t *testing.T) {
	for port, want := range map[int]bool{0: false, 1: true, 65535: true, 65536: false, -1: false} {
		if _, err := probe.NewChecker(&project.Probe{TCP: &project.TCPCheck{Port: port}}, probe.Deps{}); (err == nil) != want {
			t.Errorf("port %d: %v, want ok=%t", port, err, want)
		}
	}
}

func TestHTTPSNeedsNoTrust(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	port := portOf(t, server.Listener.Addr().String())
	err := check(t, &project.Probe{HTTP: &project.HTTPCheck{Scheme: "https", Port: port, Status: 404}})
	wantError(t, err, "")
}

func TestTCP(t *testing.T) {
	port := serve(t, func(net.Conn) {})
	for _, host := range []string{"", "*", "0.0.0.0", "::", "[::]", "127.0.0.1", "localhost"} {
		wantError(t, check(t, &project.Probe{TCP: &project.TCPCheck{Host: host, Port: port}}), "")
	}
	wantError(t, check(t, &project.Probe{TCP: &project.TCPCheck{Port: testkit.Port(t)}}), "connection refused")
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6 here")
	}
	defer l.Close()
	six := portOf(t, l.Addr().String())
	wantError(t, check(t, &project.Probe{TCP: &project.TCPCheck{Host: "::1", Port: six}}), "")
	wantError(t, check(t, &project.Probe{TCP: &project.TCPCheck{Host: "[::1]", Port: six}}), "")
}

func TestChecksThatCannotWork(t *testing.T) {
	for _, c := range []struct {
		p    project.Probe
		want string
	}{
		{project.Probe{}, "names no check"},
		{project.Probe{TCP: &project.TCPCheck{Port: 70000}}, "port must be between 1 and 65535, not 70000"},
		{project.Probe{HTTP: &project.HTTPCheck{Port: 80, Scheme: "ftp"}}, `scheme must be http or https, not "ftp"`},
		{project.Probe{HTTP: &project.HTTPCheck{Port: 80, Path: "/%zz"}}, `path "/%zz"`},
		{project.Probe{Server: &project.ServerCheck{Protocol: "gopher"}}, "protocol must be one of cassandra, fastcgi, http, kafka"},
		{project.Probe{Exec: &project.ExecCheck{}}, "commands cannot be run here"},
		{project.Probe{Log: &project.LogCheck{Pattern: "("}}, "invalid regular expression"},
		{project.Probe{Log: &project.LogCheck{}}, "would match anything"},
		{project.Probe{Notify: &project.NotifyCheck{Socket: true}}, "no notification socket"},
	} {
		_, err := probe.New(&project.Process{Readiness: &c.p}, probe.Deps{})
		wantError(t, err, c.want)
	}
}

func TestExec(t *testing.T) {
	run := func(fail error, output string) probe.Runner {
		return func(_ context.Context, _ *project.ExecCheck, w io.Writer) error {
			io.WriteString(w, output)
			return fail
		}
	}
	failed := errors.New("exit code 1")
	for _, c := range []struct {
		run  probe.Runner
		want string
	}{
		{run(nil, "fine"), ""},
		{run(failed, "  the reason\n"), "exit code 1: the reason"},
		{run(failed, ""), "exit code 1"},
		{run(failed, "<"+strings.Repeat("y", 4095)), "exit code 1: <y"}, // all of 4 KiB
	} {
		check, err := probe.NewChecker(execProbe(), probe.Deps{Run: c.run})
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, check.Check(t.Context()), c.want)
	}
	check, _ := probe.NewChecker(execProbe(), probe.Deps{Run: run(failed, strings.Repeat("x", 1<<20)+"the end")})
	if err := check.Check(t.Context()); len(err.Error()) > 5000 || !strings.HasSuffix(err.Error(), "the end") {
		t.Errorf("the message has %d bytes, want the last 4 KiB", len(err.Error()))
	}
	pieces := func(_ context.Context, _ *project.ExecCheck, w io.Writer) error {
		for i := range 5 {
			io.WriteString(w, strings.Repeat(strconv.Itoa(i), 1000))
		}
		return failed
	}
	check, _ = probe.NewChecker(execProbe(), probe.Deps{Run: pieces})
	want := "exit code 1: " + strings.Repeat("0", 96) + strings.Repeat("1", 1000) + strings.Repeat("2", 1000) + strings.Repeat("3", 1000) + strings.Repeat("4", 1000)
	if err := check.Check(t.Context()); err.Error() != want {
		t.Errorf("got %d bytes, want the last 4096 of what came in pieces", len(err.Error()))
	}
}

// TestGRPC has net/http answer as a gRPC server does.
func TestGRPC(t *testing.T) {
	for _, c := range []struct {
		service, status string
		serving         byte
		want            string
	}{
		{"", "0", 1, ""},
		{"db", "0", 1, ""},
		{"", "0", 2, "NOT_SERVING"},
		{"", "0", 0, "UNKNOWN"},
		{"other", "5", 1, `service "other" is unknown`},
		{"", "12", 1, "no health service"},
		{"", "13", 1, "gRPC status 13"},
		{"", "", 1, "does not speak gRPC"},
	} {
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.ProtoMajor != 2 || r.URL.Path != "/grpc.health.v1.Health/Check" || len(body) < 5 ||
				int(binary.BigEndian.Uint32(body[1:])) != len(body)-5 || c.service != "" && !strings.HasSuffix(string(body), c.service) {
				t.Errorf("%s %s with %q", r.Proto, r.URL.Path, body)
			}
			if c.status == "" {
				return
			}
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			if c.status == "0" {
				message := []byte{0, 0, 0, 0, 2, 1 << 3, c.serving}
				if c.serving == 0 { // protobuf leaves zeros out
					message = []byte{0, 0, 0, 0, 0}
				}
				w.Write(message)
			}
			w.Header().Set("Grpc-Status", c.status)
		})
		server := httptest.NewUnstartedServer(handler)
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		server.Start()
		port := portOf(t, server.Listener.Addr().String())
		wantError(t, check(t, &project.Probe{GRPC: &project.GRPCCheck{Port: port, Service: c.service}}), c.want)
		server.Close()
	}
	wantError(t, check(t, &project.Probe{GRPC: &project.GRPCCheck{Port: testkit.Port(t)}}), "connection refused")
	wantError(t, check(t, &project.Probe{GRPC: &project.GRPCCheck{Port: serve(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0\r\n") })}}), "does not speak gRPC")
}

func TestNotifySocket(t *testing.T) {
	stale := filepath.Join(t.TempDir(), "notify")
	if err := os.WriteFile(stale, nil, 0o600); err != nil { // what a killed supervisor has left
		t.Fatal(err)
	}
	for _, path := range []string{stale, fmt.Sprintf("@nix2gpu-test-%d", os.Getpid())} {
		n, err := probe.ListenNotify(path)
		if err != nil {
			t.Fatal(err)
		}
		g, err := probe.New(&project.Process{Readiness: &project.Probe{Notify: &project.NotifyCheck{Socket: true}}}, probe.Deps{Notify: n})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("unixgram", path)
		if err != nil {
			t.Fatal(err)
		}
		// The barrier's descriptor must be closed for the sender to go on.
		r, w, _ := os.Pipe()
		raw, _ := conn.(*net.UnixConn).SyscallConn()
		raw.Write(func(s uintptr) bool {
			err = unix.Sendmsg(int(s), []byte("STATUS=warming up\nMAINPID=1"), unix.UnixRights(int(w.Fd())), nil, 0)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		if n, _ := r.Read(make([]byte, 1)); n != 0 {
			t.Error("the descriptor is still open")
		}
		r.Close()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		g.Run(ended, func(v probe.Verdict) { t.Errorf("verdict %+v before it said so", v) })
		io.WriteString(conn, "READY=1\nSTATUS=up")
		ctx, cancel := context.WithCancel(t.Context())
		g.Run(ctx, func(v probe.Verdict) {
			if v.State != probe.Passing || !v.Changed {
				t.Errorf("verdict %+v", v)
			}
			cancel()
		})
		conn.Close()
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

// A liveness probe that is a notification asks for WATCHDOG=1, and is well as
// long as none was promised. Without its socket or descriptor there is no probe.
func TestNotifyProbes(t *testing.T) {
	n, err := probe.ListenNotify(filepath.Join(t.TempDir(), "notify"))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	fd, err := probe.NewReadyFD()
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	p := &project.Process{Liveness: &project.Probe{Notify: &project.NotifyCheck{Socket: true}}}
	g, err := probe.New(p, probe.Deps{Notify: n})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	g.Run(ctx, func(v probe.Verdict) {
		if v.Role != project.LivenessProbe || v.State != probe.Passing {
			t.Errorf("verdict %+v", v)
		}
		cancel()
	})
	for _, c := range []struct {
		check project.NotifyCheck
		deps  probe.Deps
	}{
		{project.NotifyCheck{Socket: true}, probe.Deps{FD: fd}},
		{project.NotifyCheck{FD: 3}, probe.Deps{Notify: n}},
		{project.NotifyCheck{}, probe.Deps{Notify: n, FD: fd}},
	} {
		for _, p := range []*project.Process{{Liveness: &project.Probe{Notify: &c.check}}, {Readiness: &project.Probe{Notify: &c.check}}} {
			_, err := probe.New(p, c.deps)
			wantError(t, err, "there is no notification socket or descriptor")
		}
	}
}

func TestReadyFD(t *testing.T) {
	for _, writes := range [][]string{{"ready\n"}, {"\n"}, {"rea", "dy", "\n"}} {
		fd, err := probe.NewReadyFD()
		if err != nil {
			t.Fatal(err)
		}
		g, err := probe.New(&project.Process{Readiness: &project.Probe{Notify: &project.NotifyCheck{FD: 3}}}, probe.Deps{FD: fd})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for _, w := range writes {
				io.WriteString(fd.Child, w)
				time.Sleep(time.Millisecond) // most likely read by itself; either way it must be understood
			}
		}()
		passed := false
		g.Run(t.Context(), func(v probe.Verdict) { passed = v.State == probe.Passing })
		if !passed {
			t.Errorf("%q did not make it ready", writes)
		}
		fd.Close()
	}
}

// TestChecksLeaveNothingBehind counts descriptors over many checks.
func TestChecksLeaveNothingBehind(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Grpc-Status", "12") }))
	h2.Config.Protocols = new(http.Protocols)
	h2.Config.Protocols.SetUnencryptedHTTP2(true)
	h2.Start()
	defer h2.Close()
	http1, grpc := portOf(t, plain.Listener.Addr().String()), portOf(t, h2.Listener.Addr().String())
	redis := serve(t, answer("+PONG\r\n"))
	for name, p := range map[string]*project.Probe{
		"http":  {HTTP: &project.HTTPCheck{Port: http1, Status: 404}},
		"tcp":   {TCP: &project.TCPCheck{Port: http1}},
		"grpc":  {GRPC: &project.GRPCCheck{Port: grpc}},
		"redis": {Server: &project.ServerCheck{Protocol: "redis", Port: redis}},
	} {
		c, err := probe.NewChecker(p, probe.Deps{})
		if err != nil {
			t.Fatal(err)
		}
		descriptors := func() int { e, _ := os.ReadDir("/proc/self/fd"); return len(e) }
		_ = c.Check(t.Context())
		before := descriptors()
		for range 200 {
			_ = c.Check(t.Context())
		}
		// The servers run in this process too: their ends close some time after
		// the checks', how long after depends on the machine. A leak of either
		// end stays.
		if !testkit.Eventually(func() bool { return descriptors() <= before+50 }) {
			t.Errorf("%s: %d descriptors, %d before", name, descriptors(), before)
		}
	}
}
