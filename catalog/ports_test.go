package catalog_test

import (
	"testing"
)

// A custom service is ready when it listens where it says that it will, unless it
// says otherwise.
func TestCustomPortsAreProbed(t *testing.T) {
	for options, want := range map[string]int{
		`ports = [ 3001 3002 ];`: 3001,
		``:                       0,
		`ports = [ 3001 ]; readiness_probe = null;`:               0,
		`ports = [ 3001 ]; readiness_probe.tcp_socket.port = 9;`:  9,
		`ports = [ 3001 ]; startup_probe.exec.command = "true";`:  0,
		`ports = [ 3001 ]; liveness_probe.exec.command = "true";`: 3001,
	} {
		p, err := generate(t, "t.nix", `{ services.custom.a = { enable = true; command = "x"; `+options+` }; }`)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		if probe := p.Processes["a"].Readiness; probe != nil {
			if probe.TCP == nil {
				t.Fatalf("%s: readiness = %+v, want one of a port", options, probe)
			}
			got = probe.TCP.Port
		}
		if got != want {
			t.Errorf("%s: port %d is probed, want %d", options, got, want)
		}
	}
	p, err := generate(t, "t.nix", `{ services.custom.a = { enable = true; command = "x"; ports = [ 3001 ]; ready_log_line = "up"; }; }`)
	if err != nil {
		t.Fatal(err)
	}
	if probe := p.Processes["a"].Readiness; probe == nil || probe.TCP != nil || probe.Log == nil {
		t.Errorf("readiness = %+v, want that of the line", probe)
	}
}
