package probe_test

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
	"nix2gpu/project"
)

// Questions whose lengths are part of them must have them right: a server
// that trusts them would wait for more, or read less.
func TestQuestionsHaveTheirLength(t *testing.T) {
	for _, c := range []struct {
		protocol string
		check    func(question []byte) string // what is wrong with it
		reply    string
	}{
		{"postgresql", func(q []byte) string {
			switch {
			case len(q) < 8 || int(binary.BigEndian.Uint32(q)) != len(q):
				return "its length is not that of the message"
			case binary.BigEndian.Uint32(q[4:]) != 3<<16:
				return "it is not protocol 3.0"
			case !strings.HasSuffix(string(q), "\x00\x00") || !strings.Contains(string(q), "user\x00postgres\x00"):
				return "it does not name a user, or does not end"
			}
			return ""
		}, "R\x00\x00\x00\x08\x00\x00\x00\x05"},
		{"mongodb", func(q []byte) string {
			switch {
			case len(q) < 25 || int(binary.LittleEndian.Uint32(q)) != len(q):
				return "its length is not that of the message"
			case int(binary.LittleEndian.Uint32(q[21:])) != len(q)-21:
				return "the length of its document is not that of what follows"
			case q[len(q)-1] != 0:
				return "its document does not end"
			}
			return ""
		}, "\x10\x00\x00\x00\x00\x00\x00\x00\x32\x6e\x00\x00\xdd\x07\x00\x00"},
	} {
		t.Run(c.protocol, func(t *testing.T) {
			wrong := make(chan string, 1)
			port := serve(t, func(conn net.Conn) {
				q := make([]byte, 1024)
				n, _ := conn.Read(q) // a question is one write
				wrong <- c.check(q[:n])
				io.WriteString(conn, c.reply)
				conn.Read(q) // until the other side is done
			})
			wantError(t, check(t, &project.Probe{Server: &project.ServerCheck{Protocol: c.protocol, Port: port}}), "")
			if why := <-wrong; why != "" {
				t.Errorf("the question is wrong: %s", why)
			}
		})
	}
}

// A port that nobody listens on is said to be that, by each kind of check.
func TestNobodyListens(t *testing.T) {
	port := testkit.Port(t)
	for name, p := range map[string]*project.Probe{
		"grpc": {GRPC: &project.GRPCCheck{Port: port}},
		"tcp":  {TCP: &project.TCPCheck{Port: port}},
		"http": {HTTP: &project.HTTPCheck{Port: port}},
	} {
		err := check(t, p)
		wantError(t, err, "connection refused")
		if err != nil && strings.Contains(err.Error(), "does not speak") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
