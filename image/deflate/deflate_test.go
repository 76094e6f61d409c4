package deflate_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	klauspost "github.com/klauspost/compress/gzip"

	"nix2gpu/image/deflate"
)

// packed is data as the writer packs it, given in pieces of a size.
func packed(t testing.TB, data []byte, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := deflate.NewWriter(&out)
	for rest := data; len(rest) > 0; {
		n := min(piece, len(rest))
		if got, err := w.Write(rest[:n]); err != nil || got != n {
			t.Fatalf("wrote %d of %d bytes: %v", got, n, err)
		}
		rest = rest[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked is what Go's own reader makes of it.
func unpacked(t testing.TB, data []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// inputs are of the kinds that layers have, and those at the edges of the format.
func inputs(t testing.TB) map[string][]byte {
	random := func(n int, mask byte) []byte {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(r.Uint32()) & mask
		}
		return out
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	far := random(1<<15+100, 0xff)
	return map[string][]byte{
		"nothing": nil, "a byte": {7}, "three bytes": []byte("aaa"), "zeros": make([]byte, 1<<20), "258 zeros": make([]byte, 259),
		"two bytes": random(300_000, 1), "noise": random(700_000, 0xff), "letters": random(400_000, 0x0f),
		"a period": bytes.Repeat([]byte("abcdefg"), 60_000), "text": []byte(strings.Repeat("The quick brown fox jumps over the lazy dog.\n", 3000)),
		"as far as can be": append(far[:1<<15-1:1<<15-1], far[:500]...), "too far": append(far[:1<<15+50:1<<15+50], far[:500]...),
		"a program": program[:min(len(program), 1<<20)],
		"all kinds": bytes.Join([][]byte{random(90_000, 0xff), make([]byte, 70_000), []byte(strings.Repeat("/usr/share/doc/x\x00", 9000)), random(90_000, 7)}, nil),
	}
}

// What is packed is what comes out, by this reader and by that of zlib; and it is the
// same however it is written.
func TestWriter(t *testing.T) {
	for name, data := range inputs(t) {
		t.Run(name, func(t *testing.T) {
			out := packed(t, data, 1<<16)
			if got := unpacked(t, out); !bytes.Equal(got, data) {
				t.Fatalf("%d bytes come back as %d others", len(data), len(got))
			}
			cmd := exec.CommandContext(t.Context(), "gzip", "-dc")
			cmd.Stdin = bytes.NewReader(out)
			if got, err := cmd.Output(); err != nil || !bytes.Equal(got, data) {
				t.Errorf("gzip makes %d bytes of it, want %d: %v", len(got), len(data), err)
			}
			if piece := 4093; !bytes.Equal(packed(t, data, piece), out) {
				t.Errorf("written in pieces of %d it is another", piece)
			}
			if most := len(data) + len(data)/1000 + 64; len(out) > most {
				t.Errorf("%d bytes become %d", len(data), len(out))
			}
		})
	}
}

// It is smaller than the encoder for speed makes it at its best: else nobody would wait.
func TestSmaller(t *testing.T) {
	for _, name := range []string{"a program", "all kinds"} {
		data := inputs(t)[name]
		var other bytes.Buffer
		w, err := klauspost.NewWriterLevel(&other, klauspost.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
		w.Close()
		if n := len(packed(t, data, 1<<16)); n >= other.Len() {
			t.Errorf("%s: %d bytes, the other encoder makes %d", name, n, other.Len())
		}
	}
}

type brokenWriter struct{ left int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("full")
	}
	return len(p), nil
}

// Who writes to a full disk is told, and told again.
func TestErrorOfTheOtherEnd(t *testing.T) {
	data := inputs(t)["noise"]
	for _, left := range []int{0, 100_000} {
		w := deflate.NewWriter(&brokenWriter{left})
		w.Write(data)
		if err := w.Close(); err == nil || err.Error() != "full" {
			t.Errorf("with room for %d bytes: %v", left, err)
		}
		if _, err := w.Write(data); err == nil {
			t.Error("it writes on after an error")
		}
	}
}

func FuzzWriter(f *testing.F) {
	for _, data := range inputs(f) {
		f.Add(data[:min(len(data), 5000)], 100)
	}
	f.Fuzz(func(t *testing.T, data []byte, times int) {
		if times < 1 || times > 1<<20/(len(data)+1) {
			return
		}
		// Repeated with changes, so that windows and segments have ends.
		var long []byte
		for i := range times {
			long = append(long, data...)
			long = append(long, byte(i), byte(i>>8))
		}
		if got := unpacked(t, packed(t, long, 1<<16)); !bytes.Equal(got, long) {
			t.Fatalf("%d bytes come back as %d others", len(long), len(got))
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	data := inputs(b)["a program"]
	b.SetBytes(int64(len(data)))
	n := 0
	for b.Loop() {
		n = len(packed(b, data, 1<<16))
	}
	b.ReportMetric(float64(n), "B")
}
