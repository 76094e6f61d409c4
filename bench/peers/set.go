package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A Set is what a supervisor has to run, in words that all of them have. It is given to
// a supervisor's adapter as services.json.
type Set struct {
	Services []Service `json:"services"`
	Logs     bool      `json:"logs,omitempty"` // keep the output in rotated files, too
}

// A Service is one program of a Set.
type Service struct {
	Name    string   `json:"name"`
	Command []string `json:"command"` // absolute; it needs no shell
	Restart bool     `json:"restart,omitempty"`
	After   string   `json:"after,omitempty"` // starts when that one is ready
	// Ready says how the service is known to be ready: "line" by the line "ready" on its
	// stdout, "fd" by the same and by a newline on descriptor 3. Empty: when it runs.
	Ready string `json:"ready,omitempty"`
	HTTP  int    `json:"http,omitempty"` // a port of 127.0.0.1 to ask for /NAME each second
	Exec  string `json:"exec,omitempty"` // a program to run as a probe each second
}

// A place is the folder in which one supervisor runs one Set.
type place struct {
	dir   string
	tell  *os.File // what the services tell us, a line each; also a name for their use
	gate  *os.File // services that wait read a byte from it
	never *os.File // nobody writes to it: whoever reads it waits for a signal
}

// newPlace makes the folder and the FIFOs. Both are open for reading and writing here,
// so that nobody waits in open(2).
func newPlace(parent string) (*place, error) {
	dir, err := os.MkdirTemp(parent, "peer-")
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir}
	if p.tell, err = fifo(p.path("tell")); err != nil {
		return nil, err
	}
	if p.gate, err = fifo(p.path("gate")); err != nil {
		return nil, err
	}
	p.never, err = fifo(p.path("never"))
	return p, err
}

func (p *place) path(name string) string { return filepath.Join(p.dir, name) }

func (p *place) remove() {
	p.tell.Close()
	p.gate.Close()
	p.never.Close()
	os.RemoveAll(p.dir)
}

// script writes an executable for a service and returns its path. All of them are called
// pw-something, by which they are told from the supervisor's own processes. It is one
// exec: the shell does the rest by itself.
func (p *place) script(service, kind, body string) (string, error) {
	dir := p.path("bin-" + service)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "pw-"+kind)
	return path, os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755)
}

// told is a line of a script that tells us the service's name and its pid.
func (p *place) told(service string) string {
	return fmt.Sprintf("echo %s $$ >%s\n", service, p.path("tell"))
}

// holders are n services that tell that they run, and then wait for a signal.
func (p *place) holders(n int) (Set, error) {
	var set Set
	for i := range n {
		name := fmt.Sprintf("s%d", i)
		path, err := p.script(name, "hold", p.told(name)+p.hold())
		if err != nil {
			return set, err
		}
		set.Services = append(set.Services, Service{Name: name, Command: []string{path}})
	}
	return set, nil
}

// hold is the end of a script that waits for a signal without any process beside it.
func (p *place) hold() string { return "read never <" + p.path("never") + "\n" }

// write puts the set where adapters find it.
func (p *place) write(set Set) error {
	text, err := json.MarshalIndent(set, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.path("services.json"), text, 0o644)
}

// readSet is the adapter's side of write.
func readSet(dir string) (set Set, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "services.json"))
	if err == nil {
		err = json.Unmarshal(text, &set)
	}
	return set, err
}
