package servicelog

import (
	"bytes"
	"testing"
	"time"
)

// BenchmarkSince reads the last minute of a day of which a log of one file has 1 GB, and,
// for comparison, all of it.
func BenchmarkSince(b *testing.B) {
	s := newScribe(b, 2<<30, remindEvery)
	const batch, lines = 10000, 100
	text := bytes.Repeat([]byte("x"), 1000)
	var all []line
	for range lines {
		all = append(all, line{text: text})
	}
	for range batch {
		s.now = s.now.Add(24 * time.Hour / batch)
		if _, _, err := s.f.append(batchOf(all, s.now), s.now); err != nil {
			b.Fatal(err)
		}
	}
	for name, since := range map[string]time.Time{"minute": s.now.Add(-time.Minute), "all": {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportMetric(float64(s.f.size)/1e9, "GB")
			for b.Loop() {
				n := 0
				for _, err := range NewReader(s.dir).Records(b.Context(), Query{Since: since, Match: func(m []byte) bool { return len(m) > 0 }}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if want := lines * batch; n == 0 || since.IsZero() && n != want {
					b.Fatalf("%d lines", n)
				}
			}
		})
	}
}

func batchOf(lines []line, at time.Time) batch {
	return batch{records: appendLines(nil, lines, at, Stdout), n: len(lines), process: Process{PID: 1}}
}
