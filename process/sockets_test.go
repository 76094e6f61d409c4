package process_test

import (
	"net"
	"os"
	"slices"
	"testing"

	"nix2gpu/process"
)

func TestSockets(t *testing.T) {
	var want []string
	for _, at := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err) // a machine without IPv6
			continue
		}
		defer l.Close()
		want = append(want, "tcp "+l.Addr().String())
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	want = append(want, "udp "+udp.LocalAddr().String())
	// A connection is not a place where anybody listens.
	client, err := net.Dial("tcp", want[0][len("tcp "):])
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	var got []string
	for _, s := range process.Sockets([]int{os.Getpid(), os.Getpid(), 1 << 22}) {
		if s.PID != os.Getpid() {
			t.Errorf("%+v is of another process", s)
		}
		got = append(got, s.Protocol+" "+s.Addr.String())
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s is missing: %q", w, got)
		}
	}
	for _, g := range got {
		if g == "tcp "+client.LocalAddr().String() {
			t.Errorf("%s is a connection", g)
		}
	}
	if others := process.Sockets(nil); others != nil {
		t.Errorf("nobody listens at %v", others)
	}
}
