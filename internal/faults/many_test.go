package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
)

// TestManyServices runs 500 services in ten levels: each starts after what it depends on,
// all run, and none is left.
func TestManyServices(t *testing.T) {
	const levels, wide = 10, 50
	s := testkit.NewStackFrom(t, "")
	var text strings.Builder
	text.WriteString("processes:\n")
	for level := range levels {
		for i := range wide {
			fmt.Fprintf(&text, "  s%d-%d:\n    command: \"exec sleep 1000\"\n", level, i)
			if level > 0 {
				fmt.Fprintf(&text, "    depends_on: { s%d-%d: { condition: process_started }, s%d-%d: { condition: process_started } }\n", level-1, i, level-1, (i+7)%wide)
			}
		}
	}
	s.Write("process-compose.yaml", text.String())
	began := time.Now()
	up := s.Start("up")
	up.WaitLine("all services healthy")
	took := time.Since(began)
	place := map[string]int{}
	for line := range strings.Lines(up.Stdout()) {
		if name, ok := strings.CutSuffix(strings.TrimPrefix(line, "[nix2gpu] "), ": starting\n"); ok {
			place[name] = len(place) + 1
		}
	}
	if len(place) != levels*wide {
		t.Fatalf("%d services were started", len(place))
	}
	for level := 1; level < levels; level++ {
		for i := range wide {
			name := fmt.Sprintf("s%d-%d", level, i)
			for _, dep := range []string{fmt.Sprintf("s%d-%d", level-1, i), fmt.Sprintf("s%d-%d", level-1, (i+7)%wide)} {
				if place[name] < place[dep] {
					t.Errorf("%s was started before %s", name, dep)
				}
			}
		}
	}
	wantRunning(t, s, "sleep 1000", levels*wide)
	began = time.Now()
	up.Stop()
	t.Attr("R24", fmt.Sprintf("%d services, %d deep: started in %v, stopped in %v", levels*wide, levels, took.Round(time.Millisecond), time.Since(began).Round(time.Millisecond)))
}
