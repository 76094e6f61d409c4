package servicelog_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"nix2gpu/servicelog"
)

// BenchmarkStdout carries lines of 100 bytes from writers to one pipe.
func BenchmarkStdout(b *testing.B) {
	for _, files := range []bool{false, true} {
		for _, writers := range []int{1, 8} {
			b.Run(fmt.Sprintf("files=%t/writers=%d", files, writers), func(b *testing.B) {
				benchmarkStdout(b, writers, files)
			})
		}
	}
}

func benchmarkStdout(b *testing.B, writers int, files bool) {
	const perWriter = 32 << 20
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	go io.Copy(io.Discard, struct{ io.Reader }{r})
	opts := servicelog.Options{Stdout: w}
	if files {
		opts.Dir = b.TempDir()
	}
	chunk := bytes.Repeat([]byte(fmt.Sprintf("%099d\n", 0)), 640)
	b.SetBytes(int64(writers) * perWriter / int64(len(chunk)) * int64(len(chunk)))
	for b.Loop() {
		h, err := servicelog.Open(opts)
		if err != nil {
			b.Fatal(err)
		}
		write(b, h, writers, perWriter/len(chunk), chunk)
		if err := h.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	w.Close()
}

// write has services write a chunk some times, all at once, and returns their runs.
func write(b *testing.B, h *servicelog.Hub, writers, times int, chunk []byte) []*servicelog.Run {
	b.Helper()
	var all sync.WaitGroup
	var runs []*servicelog.Run
	for i := range writers {
		run, err := h.Source(fmt.Sprint(i), fmt.Sprintf("service-%d", i), servicelog.SourceOptions{}).Start(nil)
		if err != nil {
			b.Fatal(err)
		}
		runs = append(runs, run)
		all.Go(func() {
			for range times {
				run.Stdout.Write(chunk)
			}
			run.Started()
		})
	}
	all.Wait()
	return runs
}

// BenchmarkReadBack gives a reader that stood still what it missed: lines of 100
// bytes from writers, out of their files.
func BenchmarkReadBack(b *testing.B) {
	const perWriter = 8 << 20
	for _, writers := range []int{1, 8, 100} {
		b.Run(fmt.Sprint("writers=", writers), func(b *testing.B) {
			chunk := bytes.Repeat([]byte(fmt.Sprintf("%099d\n", 0)), 640)
			b.SetBytes(int64(writers) * perWriter / int64(len(chunk)) * int64(len(chunk)))
			for b.Loop() {
				b.StopTimer()
				r, w, err := os.Pipe()
				if err != nil {
					b.Fatal(err)
				}
				h, err := servicelog.Open(servicelog.Options{Stdout: w, Dir: b.TempDir(), MaxSize: 1 << 30})
				if err != nil {
					b.Fatal(err)
				}
				for _, run := range write(b, h, writers, perWriter/len(chunk), chunk) {
					<-run.Done()
				}
				b.StartTimer()
				go func() {
					io.Copy(io.Discard, struct{ io.Reader }{r})
					r.Close()
				}()
				if err := h.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
				w.Close()
			}
		})
	}
}

// BenchmarkTail reads the last 10 lines of a full set of files.
func BenchmarkTail(b *testing.B) {
	dir := b.TempDir()
	h, err := servicelog.Open(servicelog.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	run, err := h.Source("a", "a", servicelog.SourceOptions{}).Start(nil)
	if err != nil {
		b.Fatal(err)
	}
	chunk := bytes.Repeat([]byte(fmt.Sprintf("%099d\n", 0)), 640)
	for range 1000 {
		run.Stdout.Write(chunk)
	}
	run.Started()
	if err := h.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n := 0
		for _, err := range servicelog.NewReader(dir).Records(b.Context(), servicelog.Query{Tail: 10}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10 {
			b.Fatalf("%d lines", n)
		}
	}
}
