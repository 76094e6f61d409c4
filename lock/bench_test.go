package lock_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"nix2gpu/debian/repo"
	"nix2gpu/internal/debtest"
	"nix2gpu/lock"
)

// A recorder asks the network for each URL once: what is measured is our work.
type recorder struct {
	mu   sync.Mutex
	have map[string][]byte
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, ok := r.have[req.URL.String()]
	if !ok {
		answer, err := http.DefaultTransport.RoundTrip(req)
		if err != nil || answer.StatusCode != http.StatusOK {
			return answer, err
		}
		defer answer.Body.Close()
		if body, err = io.ReadAll(answer.Body); err != nil {
			return nil, err
		}
		r.have[req.URL.String()] = body
	}
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, Header: http.Header{},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
	}, nil
}

// set is the microservices set with sshd and python3, on the base of every image.
func set() []lock.Want {
	var wants []lock.Want
	for _, name := range []string{
		"postgresql", "redis-server", "nginx-light", "python3", "openssh-server", "openssh-client", "base-files", "base-passwd", "bash",
		"ca-certificates", "coreutils", "dash", "debianutils", "diffutils", "findutils", "grep", "gzip", "hostname", "libc-bin", "mawk",
		"ncurses-base", "netbase", "procps", "sed", "tar",
	} {
		wants = append(wants, lock.Want{Name: name})
	}
	return wants
}

func benchmarkLock(b *testing.B, cacheOf, lockOf func() string) {
	archives := debtest.MachineArchives(b)
	network := &recorder{have: map[string][]byte{}}
	n := 0
	run := func(cache, file string) {
		client, err := repo.NewClient(context.Background(), repo.Options{Cache: cache, Archives: archives, Transport: network})
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		r, err := lock.Ensure(context.Background(), lock.Options{
			File: file, Arches: []string{"amd64"}, Wants: map[string][]lock.Want{"web": set()}, Index: lock.OneRelease(client.Index),
		})
		if err != nil {
			b.Fatal(err)
		}
		n = len(r.Packages("web", "amd64"))
	}
	cache, file := cacheOf(), lockOf()
	run(cache, file) // records the network, and warms what stays
	for b.Loop() {
		run(cacheOf(), lockOf())
	}
	b.ReportMetric(float64(n), "packages")
}

// BenchmarkIndexCold verifies three InRelease, unpacks and parses the lists of
// 63,000 packages, and resolves the set.
func BenchmarkIndexCold(b *testing.B) {
	benchmarkLock(b, b.TempDir, func() string { return filepath.Join(b.TempDir(), lock.Name) })
}

// BenchmarkIndexCached does the same with what an earlier run left in the cache.
func BenchmarkIndexCached(b *testing.B) {
	cache := b.TempDir()
	benchmarkLock(b, func() string { return cache }, func() string { return filepath.Join(b.TempDir(), lock.Name) })
}

// BenchmarkLocked needs no index: the lock has all that is wanted.
func BenchmarkLocked(b *testing.B) {
	cache, file := b.TempDir(), filepath.Join(b.TempDir(), lock.Name)
	benchmarkLock(b, func() string { return cache }, func() string { return file })
}
