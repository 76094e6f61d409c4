package testkit

import "testing"

func TestPortIsGivenOnce(t *testing.T) {
	given := map[int]bool{}
	for range 50 {
		port := Port(t)
		if given[port] {
			t.Errorf("%d is given twice", port)
		}
		given[port] = true
		if !isFree(port) {
			t.Errorf("somebody listens on %d", port)
		}
	}
	var before int
	t.Run("another", func(t *testing.T) { before = Port(t) })
	f := openPorts(t)
	if !lockPort(f, before) {
		t.Errorf("%d is not given back", before)
	}
}
