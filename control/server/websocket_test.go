package server_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// serveStreams serves a fake with a log, and returns the socket.
func serveStreams(t testing.TB, f *fake) (socket string, srv *server.Server, run *servicelog.Run) {
	t.Helper()
	dir, err := os.MkdirTemp("", "n2g")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	hub, err := servicelog.Open(servicelog.Options{Dir: filepath.Join(dir, "logs")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hub.Close(context.Background()) })
	run, err = hub.Source("api", "api", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "s")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	srv = server.New(server.Options{Engine: f, Resolve: (*project.Project).ResolveAll, Logs: hub.Reader(), Truncate: hub.Truncate})
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-served })
	return socket, srv, run
}

// dialWebsocket opens a websocket as a client of process-compose does: by a library that is not
// ours.
func dialWebsocket(t *testing.T, socket, path string) *websocket.Conn {
	t.Helper()
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	c, _, err := websocket.Dial(t.Context(), "ws://unix"+path, &websocket.DialOptions{HTTPClient: hc})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// nextMessage reads a message.
func nextMessage(t *testing.T, c *websocket.Conn, into any) error {
	t.Helper()
	kind, text, err := c.Read(t.Context())
	if err != nil {
		return err
	}
	if kind != websocket.MessageText || json.Unmarshal(text, into) != nil {
		t.Fatalf("a message is %v %q", kind, text)
	}
	return nil
}

type logMessage struct {
	Message string `json:"message"`
	Process string `json:"process_name"`
}

func TestLogsByWebsocket(t *testing.T) {
	f := newFake()
	socket, srv, run := serveStreams(t, f)
	defer run.Started()
	long := strings.Repeat("x", 70_000) // more than a short frame holds, and more than one record
	if _, err := run.Stdout.WriteString("one\ntwo\n" + long + "\n\xff\n"); err != nil {
		t.Fatal(err)
	}
	run.Started()
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]string{
		"/process/logs/ws?name=api&offset=0&follow=false":                    {"one", "two", long, "\uFFFD"},
		"/process/logs/ws/?name=api,&offset=9223372036854775807":             {"one", "two", long, "\uFFFD"}, // what its client sends for all
		"/process/logs/ws?name=api&offset=1&follow=false":                    {"\uFFFD"},
		"/process/logs/ws?name=postgresql&offset=3&follow=something":         nil,
		"/process/logs/ws?name=api,postgresql&offset=-1&follow=false&more=1": {"one", "two", long, "\uFFFD"},
	} {
		c := dialWebsocket(t, socket, path)
		c.SetReadLimit(1 << 20)
		var got []string
		for {
			var m logMessage
			err := nextMessage(t, c, &m)
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
				break
			}
			if err != nil || m.Process != "api" {
				t.Fatalf("%s: %v, of %q", path, err, m.Process)
			}
			got = append(got, m.Message)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %.60q, want %.60q", path, got, want)
		}
	}
	// What comes while it follows, and the end of the project.
	c := dialWebsocket(t, socket, "/process/logs/ws?name=api&offset=1&follow=true")
	var m logMessage
	if err := nextMessage(t, c, &m); err != nil || m.Message != "\uFFFD" {
		t.Fatalf("%q, %v", m.Message, err)
	}
	if err := c.Ping(c.CloseRead(t.Context())); err != nil {
		t.Errorf("a ping has no answer: %v", err)
	}
	c = dialWebsocket(t, socket, "/process/logs/ws?name=api&offset=1&follow=true")
	if err := nextMessage(t, c, &m); err != nil {
		t.Fatal(err)
	}
	srv.End(control.End{})
	if err := nextMessage(t, c, &m); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("at the end of the project: %v", err)
	}
}

type pcState struct {
	Snapshot bool
	State    control.ProcessState
}

func TestStatesByWebsocket(t *testing.T) {
	f := newFake()
	socket, _, run := serveStreams(t, f)
	run.Started()
	c := dialWebsocket(t, socket, "/process/states/ws?name=api,nobody")
	var ev pcState
	if err := nextMessage(t, c, &ev); err != nil || !ev.Snapshot || ev.State.Name != "api" || ev.State.Status != "Pending" {
		t.Fatalf("first comes %+v, %v", ev, err)
	}
	go func() {
		f.events <- control.Event{Service: control.Service{ID: "postgresql.main", Label: "postgresql", State: control.Running}} // not asked for
		f.events <- control.Event{Service: control.Service{ID: "api", Label: "api", State: control.Waiting}}                    // not a change in its words
		f.events <- control.Event{Service: control.Service{ID: "api", Label: "api", State: control.Running, PID: 7}}
		close(f.events)
	}()
	ev.Snapshot = false
	if err := nextMessage(t, c, &ev); err != nil || ev.Snapshot || ev.State.Name != "api" || ev.State.Status != "Running" || ev.State.PID != 7 {
		t.Errorf("then comes %+v, %v", ev, err)
	}
	if err := nextMessage(t, c, &ev); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("at the end: %v", err)
	}
}

// A further run of a schedule belongs to its service, and is hidden until it is needed.
func TestFurtherRuns(t *testing.T) {
	f := newFake()
	f.runs = true
	socket, _, run := serveStreams(t, f)
	defer run.Started()
	if _, err := run.Stdout.WriteString("one\n"); err != nil {
		t.Fatal(err)
	}
	run.Started()
	if err := run.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	hc := overSocket(t, socket)
	for _, path := range []string{"/processes", "/metrics"} {
		if _, text := ask(t, hc, "GET", "http://unix"+path, ""); strings.Contains(text, "api-2") || !strings.Contains(text, "postgresql") {
			t.Errorf("%s tells of a run that never was: %s", path, text)
		}
	}
	if _, text := ask(t, hc, "GET", "http://unix/project/state", ""); !strings.Contains(text, `"processNum":2,`) {
		t.Errorf("the project is %s", text)
	}
	if _, text := ask(t, hc, "GET", "http://unix/process/logs/api/0/0", ""); text != "{\"logs\":[\"one\"]}\n" {
		t.Errorf("the log of all runs is %s", text)
	}
	var m logMessage
	if err := nextMessage(t, dialWebsocket(t, socket, "/process/logs/ws?name=api&offset=0"), &m); err != nil || m != (logMessage{"one", "api-2"}) {
		t.Errorf("by websocket it is %q, %v", m, err)
	}
	for _, path := range []string{"/process/states/ws?name=api", "/process/states/ws"} {
		c := dialWebsocket(t, socket, path)
		f.events <- control.Event{Service: control.Service{ID: "api-2", Label: "api-2", RunOf: "api", State: control.Running, Starts: 1}}
		f.events <- control.Event{Service: control.Service{ID: "api", Label: "api", State: control.Running, PID: 7}} // the last one
		began := false
		for ev := (pcState{}); ev.State.PID != 7; {
			ev = pcState{}
			if err := nextMessage(t, c, &ev); err != nil {
				t.Fatal(err)
			}
			if ev.State.Name == "api-2" {
				if began = true; ev.Snapshot {
					t.Errorf("%s tells of a run that never was", path)
				}
			}
		}
		if !began {
			t.Errorf("%s does not tell that a further run began", path)
		}
		c.CloseNow()
	}
	if status, text := ask(t, hc, "DELETE", "http://unix/process/logs/api", ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	if _, text := ask(t, hc, "GET", "http://unix/process/logs/api/0/0", ""); strings.Contains(text, "one") {
		t.Errorf("the log that was removed is %s", text)
	}
}

// A websocket is made for who asks for one properly, and for no page.
func TestWebsocketRefused(t *testing.T) {
	socket, _, run := serveStreams(t, newFake())
	run.Started()
	hc := overSocket(t, socket)
	good := []string{"Connection", "keep-alive, Upgrade", "Upgrade", "WebSocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	for name, tt := range map[string]struct {
		query   string
		replace []string
		want    int
		says    string
	}{
		"no upgrade":    {"name=api&offset=0", []string{"Upgrade", "h2c"}, 400, "asks for none"},
		"no connection": {"name=api&offset=0", []string{"Connection", "close"}, 400, "asks for none"},
		"an old one":    {"name=api&offset=0", []string{"Sec-WebSocket-Version", "8"}, 400, "version"},
		"a short key":   {"name=api&offset=0", []string{"Sec-WebSocket-Key", "c2hvcnQ="}, 400, "16 bytes"},
		"a page":        {"name=api&offset=0", []string{"Origin", "https://evil.example"}, 403, "may not ask here"},
		"a file":        {"name=api&offset=0", []string{"Origin", "null"}, 403, "may not ask here"},
		"no process":    {"offset=0", nil, 400, "name must be"},
		"nobody":        {"name=nobody&offset=0", nil, 404, "nobody"},
		"no offset":     {"name=api", nil, 400, "offset must be"},
		"good":          {"name=api&offset=0", nil, 101, ""},
	} {
		status, text := ask(t, hc, "GET", "http://unix/process/logs/ws?"+tt.query, "", append(good[:len(good):len(good)], tt.replace...)...)
		if status != tt.want || !strings.Contains(text, tt.says) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// clientFrame is a frame as clients send it.
func clientFrame(op byte, fin bool, text string) []byte {
	b := []byte{op, 0x80}
	if fin {
		b[0] |= 0x80
	}
	switch n := len(text); {
	case n < 126:
		b[1] |= byte(n)
	case n < 1<<16:
		b[1] |= 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] |= 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	mask := []byte{1, 2, 3, 4}
	b = append(b, mask...)
	for i := range len(text) {
		b = append(b, text[i]^mask[i&3])
	}
	return b
}

// Whoever breaks the rules is told so by the code of the close, and the rest lives on.
func TestWebsocketFrames(t *testing.T) {
	f := newFake()
	socket, srv, run := serveStreams(t, f)
	run.Started()
	for name, tt := range map[string]struct {
		says []byte
		want []byte // the last frame
	}{
		"a close":             {clientFrame(8, true, "\x03\xe8bye"), []byte{0x88, 2, 3, 0xe8}},
		"an empty close":      {clientFrame(8, true, ""), []byte{0x88, 2, 3, 0xe8}},
		"no mask":             {[]byte{0x81, 1, 'x'}, []byte{0x88, 2, 3, 0xea}},
		"bits of extensions":  {[]byte{0xC1, 0x80, 0, 0, 0, 0}, []byte{0x88, 2, 3, 0xea}},
		"an unknown kind":     {clientFrame(3, true, ""), []byte{0x88, 2, 3, 0xea}},
		"a long ping":         {clientFrame(9, true, strings.Repeat("x", 126)), []byte{0x88, 2, 3, 0xea}},
		"a ping in parts":     {clientFrame(9, false, "x"), []byte{0x88, 2, 3, 0xea}},
		"a part of nothing":   {clientFrame(0, true, "x"), []byte{0x88, 2, 3, 0xea}},
		"two messages in one": {append(clientFrame(1, false, "x"), clientFrame(1, true, "y")...), []byte{0x88, 2, 3, 0xea}},
		"too much":            {clientFrame(2, true, strings.Repeat("x", 5000)), []byte{0x88, 2, 3, 0xf1}},
		"far too much":        {[]byte{0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, []byte{0x88, 2, 3, 0xf1}},
		"half a code":         {clientFrame(8, true, "\x03"), []byte{0x88, 2, 3, 0xef}},
		"no text":             {clientFrame(8, true, "\x03\xe8\xff"), []byte{0x88, 2, 3, 0xef}},
		"a ping, then a close": {append(append(clientFrame(1, false, "a"), clientFrame(9, true, "hi")...), append(clientFrame(0, true, "b"), clientFrame(8, true, "")...)...),
			[]byte{0x8A, 2, 'h', 'i', 0x88, 2, 3, 0xe8}},
	} {
		got := talk(t, socket, tt.says)
		if !bytes.HasSuffix(got, tt.want) {
			t.Errorf("%s: answered % x, want % x at the end", name, got, tt.want)
		}
	}
	srv.End(control.End{})
}

// talk opens a websocket that follows, says something, and returns what comes after the
// head of the answer.
func talk(t testing.TB, socket string, says []byte) []byte {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /process/states/ws?name=nobody HTTP/1.1\r\nHost: unix\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	in := bufio.NewReader(c)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // the example of RFC 6455
		t.Fatalf("%v, %v", resp, err)
	}
	if _, err := c.Write(says); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Logf("said in part: %v", err) // it may have closed already
	}
	c.(*net.UnixConn).CloseWrite()
	got, err := io.ReadAll(in)
	if err != nil {
		t.Logf("read in part: %v", err)
	}
	return got
}

// Whatever a client says, the connection ends in order: frames of the server are whole,
// and after a close nothing comes.
func FuzzWebsocketFrames(f *testing.F) {
	fake := newFake()
	socket, srv, run := serveStreams(f, fake)
	run.Started()
	f.Cleanup(func() { srv.End(control.End{}); close(fake.events) })
	f.Add(clientFrame(1, true, "hello"))
	f.Add(clientFrame(8, true, "\x03\xe8"))
	f.Add(append(clientFrame(9, true, "ping"), clientFrame(0, false, "x")...))
	f.Add([]byte{0x82, 0xff, 0x7f, 0xff})
	f.Fuzz(func(t *testing.T, says []byte) {
		got := talk(t, socket, says)
		for closed := false; len(got) > 0; {
			if closed || len(got) < 2 || got[0]&0x80 == 0 || got[1] > 125 || len(got) < 2+int(got[1]) {
				t.Fatalf("after % x came % x", says, got)
			}
			switch got[0] {
			case 0x88:
				closed = true
			case 0x8A:
			default:
				t.Fatalf("after % x came % x", says, got)
			}
			got = got[2+got[1]:]
		}
	})
}
