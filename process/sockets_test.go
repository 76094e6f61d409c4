package process_test

import (
	"bufio"
	"net"
	"net/netip"
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

// Who listens in a network of its own is found there, and not in ours.
func TestSocketsApart(t *testing.T) {
	needRoot(t)
	h := newHost(t, process.Options{Launch: launchCommand})
	ready, told, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	p, err := h.Start(process.Spec{Argv: []string{"/usr/bin/python3", "-c", `
import os, socket, time
s = socket.socket()
s.bind(("127.0.0.1", 8469))
s.listen()
print("listens", flush=True)
time.sleep(1000)`}, Env: os.Environ(), Loopback: true, Stdout: told, Stderr: os.Stderr})
	told.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if said, err := bufio.NewReader(ready).ReadString('\n'); err != nil {
		t.Fatalf("%q: %v", said, err)
	}
	want := process.Socket{PID: p.PID(), Protocol: "tcp", Addr: netip.MustParseAddrPort("127.0.0.1:8469"), Apart: true}
	if got := process.Sockets([]int{os.Getpid(), p.PID()}); !slices.Contains(got, want) {
		t.Errorf("%+v is missing: %+v", want, got)
	}
}
