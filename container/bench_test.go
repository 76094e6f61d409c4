package container_test

import (
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/engine"
)

// BenchmarkStart starts the stack of the page, with its initdb, from an image
// that is there. Times are the engine's: from the start of the container to a
// line in its log.
func BenchmarkStart(b *testing.B) {
	e := engine.Docker(b)
	image(b, e, "my-container:latest", threeServices)
	var first, starting, healthy time.Duration
	for b.Loop() {
		id := e.Container("my-container:latest")
		e.WaitLogs(id, "all services healthy")
		begun := parseTime(b, strings.TrimSpace(e.MustExec("inspect", "-f", "{{.State.StartedAt}}", id)))
		for line := range strings.Lines(e.MustExec("logs", "-t", id)) {
			at, text, _ := strings.Cut(strings.TrimSpace(line), " ")
			took := func() time.Duration { return parseTime(b, at).Sub(begun) }
			switch text {
			case "[nix2gpu] container initialization starting...":
				first += took()
			case "[nix2gpu] starting process-compose with 3 services":
				starting += took()
			case "[nix2gpu] all services healthy":
				healthy += took()
			}
		}
		e.MustExec("rm", "-f", "-v", id)
	}
	for unit, d := range map[string]time.Duration{"ms/first-line": first, "ms/services": starting, "ms/healthy": healthy} {
		b.ReportMetric(float64(d.Milliseconds())/float64(b.N), unit)
	}
}

func parseTime(b *testing.B, text string) time.Time {
	b.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		b.Fatal(err)
	}
	return at
}
