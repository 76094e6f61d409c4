package servicelog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
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

// BenchmarkPack packs 10 MiB of lines of an HTTP server. Its metrics are the time for a GB,
// without the pauses, and the part that is left.
func BenchmarkPack(b *testing.B) {
	s := newScribe(b, 10<<20, remindEvery)
	random := rand.New(rand.NewPCG(1, 2))
	for s.f.current == 0 {
		s.now = s.now.Add(time.Duration(random.IntN(40)) * time.Millisecond)
		text := fmt.Appendf(nil, `10.0.%d.%d - - [%s] "GET /api/users/%d?page=%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11; Linux x86_64)" rt=%.3f`,
			random.IntN(4), random.IntN(256), s.now.Format("02/Jan/2006:15:04:05 -0700"), random.IntN(100000), random.IntN(20),
			[]int{200, 200, 200, 200, 304, 404, 500}[random.IntN(7)], random.IntN(20000), random.Float64())
		if _, _, err := s.f.append(batchOf([]line{{text: text}}, s.now), s.now); err != nil {
			b.Fatal(err)
		}
	}
	text := s.bytes("a.log.1")
	p, err := newPacker()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	var out bytes.Buffer
	for b.Loop() {
		out.Reset()
		if err := p.pack(&out, bytes.NewReader(text), origin{size: int64(len(text))}, func() error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/float64(len(text))*1e9, "s/GB")
	b.ReportMetric(float64(out.Len())/float64(len(text)), "left")
}
