package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nix2gpu/internal/testkit"
)

// TestEveryRow does each job in small, under the floor, nix2gpu, and s6 where it is
// installed: each row can be measured, and what nobody may lose is not lost. Figures are
// not looked at.
func TestEveryRow(t *testing.T) {
	self := filepath.Join(t.TempDir(), "peers")
	if out, err := exec.Command("go", "build", "-o", self, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	b := small(t, self)
	tab := &table{rounds: 1, rows: rows(), peers: []Peer{floorPeer(self), nix2gpuPeer(testkit.Binary(t))}}
	if _, err := exec.LookPath("s6-svscan"); err == nil {
		tab.peers = append(tab.peers, s6Peer())
	}
	if err := tab.measure(t.Context(), b, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, row := range tab.rows {
		for _, p := range tab.peers {
			at := cell{row.Name, p.Name}
			err := tab.failed[at]
			if err != nil && (err != errUnsupported || p.Name == "nix2gpu") {
				t.Errorf("%s, %s: %v", row.Name, p.Name, err)
			}
			for i, v := range row.Values {
				if p.Name == "nix2gpu" && err == nil && strings.HasPrefix(v.Name, "lines ") && v.Unit == "" && tab.cells[at][i][0] != 0 {
					t.Errorf("%s: %v %s", row.Name, tab.cells[at][i][0], v.Name)
				}
			}
		}
	}
	var out bytes.Buffer
	tab.print(&out)
	for _, row := range tab.rows {
		if !strings.Contains(out.String(), row.Job) {
			t.Errorf("the table lacks %q", row.Job)
		}
	}
	left, err := os.ReadDir(b.dir)
	if err != nil || len(left) > 0 {
		t.Errorf("folders are left: %v, %v", left, err)
	}
}

// small is a bench whose jobs take no time.
func small(t *testing.T, self string) *bench {
	const moment = 200_000_000
	return &bench{dir: t.TempDir(), self: self, lines: 20_000, window: 5 * moment, settle: moment, restart: 20, kills: 1, scale: 0.03}
}

// TestAdapter measures the floor through an adapter, as anybody's supervisor, and one
// that can't do the job.
func TestAdapter(t *testing.T) {
	dir := t.TempDir()
	self := filepath.Join(dir, "peers")
	if out, err := exec.Command("go", "build", "-o", self, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	script := func(name, body string) Peer {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body), 0o755); err != nil {
			t.Fatal(err)
		}
		return adapterPeer(name, path)
	}
	b := small(t, self)
	can := script("can", `[ "$1" = run ] && exec `+self+` floor "$2"; echo fine`)
	for _, row := range rows() {
		if row.Name == "ps" || row.Name == "chain" || row.Name == "stop" {
			got, err := row.Run(t.Context(), b, can)
			if err != nil || slices.Max(got) <= 0 {
				t.Errorf("%s: %v, %v", row.Name, got, err)
			}
			if _, err := row.Run(t.Context(), b, script("cannot", "exit 3")); err != errUnsupported {
				t.Errorf("%s by an adapter that ends with 3: %v", row.Name, err)
			}
		}
	}
}

// TestReader judges whole, torn, missing and repeated lines.
func TestReader(t *testing.T) {
	line := func(n int) string {
		b := bytes.Repeat([]byte("x"), lineSize-1)
		number(b, 1, n)
		return string(b)
	}
	r := newReader(2, 4)
	r.read(strings.NewReader("[w1] " + line(0) + "\n" + line(1)[:40] + line(2) + "\n" + line(3)[:50] + "\n" + "2026 " + line(4) + "\n" + line(4) + "\nother\n"))
	if r.whole != 3 || r.torn != 1 || r.disorder != 1 {
		t.Errorf("whole %d, torn %d, disorder %d; want 3, 1, 1", r.whole, r.torn, r.disorder)
	}
}

// TestInterrupted prints a table of what there is.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	row := func(name string, got float64) Row {
		return Row{name, name, []Value{{Name: "time", Unit: "ms"}}, func(context.Context, *bench, Peer) ([]float64, error) {
			if got == 0 {
				stop()
			}
			return []float64{got}, nil
		}}
	}
	tab := &table{rounds: 1, peers: []Peer{{Name: floorName}}, rows: []Row{row("done", 7), row("cut", 0)}}
	if err := tab.measure(ctx, nil, io.Discard); err != context.Canceled {
		t.Errorf("measure = %v", err)
	}
	var text, list bytes.Buffer
	tab.print(&text)
	if err := tab.json(&list); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"| done | time, ms | 7 |", "| cut | time, ms | not measured |"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
	if strings.Contains(list.String(), "cut") {
		t.Errorf("JSON has what was not measured:\n%s", list.String())
	}
}
