package process_test

import (
	"os"
	"testing"

	"nix2gpu/process"
)

// What is tried for a network must not change ours: /proc/net shows the main thread's, and
// Go runs a goroutine on any thread.
func TestHasLoopbackLeavesOurNetwork(t *testing.T) {
	if os.Geteuid() != 0 {
		return // it makes a child then
	}
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if err := process.HasLoopback(); err != nil {
			t.Fatal(err)
		}
		if now, err := os.Readlink("/proc/self/ns/net"); err != nil || now != own {
			t.Fatalf("our network is %s, was %s: %v", now, own, err)
		}
	}
}
