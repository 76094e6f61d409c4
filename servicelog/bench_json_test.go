package servicelog_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"nix2gpu/servicelog"
)

// BenchmarkFormats carries lines of 100 bytes from one writer to stdout and a file, in both
// formats and with a rate limit that is never reached. Its metric "floor" is the part of the
// rate at which the same pipe passes the same bytes in this run, with nobody in between.
func BenchmarkFormats(b *testing.B) {
	for _, bench := range []struct {
		name   string
		format servicelog.Format
		source servicelog.SourceOptions
	}{
		{"text", servicelog.Text, servicelog.SourceOptions{}},
		{"json", servicelog.JSON, servicelog.SourceOptions{}},
		{"limited", servicelog.Text, servicelog.SourceOptions{Rate: servicelog.Rate{Lines: 1 << 40, Bytes: 1 << 50}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			chunk := bytes.Repeat([]byte(fmt.Sprintf("%099d\n", 0)), 640)
			const times = 512
			total := float64(times * len(chunk))
			r, w, err := os.Pipe()
			if err != nil {
				b.Fatal(err)
			}
			go io.Copy(io.Discard, struct{ io.Reader }{r})
			defer w.Close()
			b.SetBytes(int64(total))
			var floor, carried time.Duration
			for b.Loop() {
				b.StopTimer()
				begin := time.Now()
				for range times {
					if _, err := w.Write(chunk); err != nil {
						b.Fatal(err)
					}
				}
				floor += time.Since(begin)
				h, err := servicelog.Open(servicelog.Options{Stdout: w, Dir: b.TempDir(), Format: bench.format})
				if err != nil {
					b.Fatal(err)
				}
				run, err := h.Source("a", "a", bench.source).Open(nil)
				if err != nil {
					b.Fatal(err)
				}
				run.Begin(servicelog.Process{PID: 4711})
				b.StartTimer()
				begin = time.Now()
				for range times {
					if _, err := run.Stdout.Write(chunk); err != nil {
						b.Fatal(err)
					}
				}
				run.Started()
				if err := h.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
				carried += time.Since(begin)
			}
			b.ReportMetric(float64(floor)/float64(carried), "floor")
		})
	}
}
