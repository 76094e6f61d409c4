package process_test

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"nix2gpu/process"
)

// files has n descriptors to share out, beside what is open and reserved.
func files(t *testing.T, n int) *process.Files {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	return process.NewFiles(n+192+len(open), 4*time.Second)
}

func TestFilesAreSharedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := files(t, 1000)
		if err := f.Take(995, nil); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 3)
		for _, c := range []struct {
			name string
			n    int
		}{{"large", 8}, {"small", 2}} {
			go func() {
				if err := f.Take(c.n, nil); err != nil {
					t.Error(err)
				}
				got <- c.name
			}()
			synctest.Wait() // it is in the queue
		}
		if len(got) > 0 {
			t.Fatalf("%s has some before its turn", <-got)
		}
		time.Sleep(3 * time.Second)
		f.Give(2)
		synctest.Wait()
		if len(got) > 0 {
			t.Fatalf("%s has some that are not there", <-got)
		}
		time.Sleep(3 * time.Second) // 6 in all, but the last were given 3 ago
		f.Give(1)
		if first := <-got; first != "large" {
			t.Errorf("%s was first", first)
		}
		f.Give(2)
		if second := <-got; second != "small" {
			t.Errorf("%s was second", second)
		}
	})
}

func TestFilesThatNobodyGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := files(t, 1000)
		if err := f.Take(999, nil); err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		behind := make(chan error, 1)
		go func() {
			time.Sleep(time.Second)
			behind <- f.Take(1, nil)
		}()
		err := f.Take(2, nil)
		var refused *process.StartError
		if !errors.As(err, &refused) || !refused.Temporary() || !errors.Is(err, unix.EMFILE) || refused.Hint == "" {
			t.Errorf("got %v, want a refusal that passes, with a hint", err)
		}
		if waited := time.Since(since); waited != 4*time.Second {
			t.Errorf("refused after %v, want 4s", waited)
		}
		if err := <-behind; err != nil { // who wants less was only behind
			t.Errorf("the next: %v", err)
		}
		f.Give(1000)
		if err := f.Take(1000, nil); err != nil {
			t.Errorf("all were given back: %v", err)
		}
	})
}

func TestFilesCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := files(t, 1000)
		cancel := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(cancel) })
		if err := f.Take(1001, cancel); !errors.Is(err, process.ErrGone) {
			t.Errorf("got %v, want ErrGone", err)
		}
		if err := f.Take(1000, nil); err != nil {
			t.Errorf("a claim that was taken back holds some: %v", err)
		}
	})
}

func TestFileReserve(t *testing.T) {
	for limit, want := range map[int]int{64: 16, 768: 192, 1024: 192, 1 << 30: 192} {
		if got := process.FileReserve(limit); got != want {
			t.Errorf("of %d %d are reserved, want %d", limit, got, want)
		}
	}
	if process.FileLimit() < 1 {
		t.Errorf("the limit is %d", process.FileLimit())
	}
	if got, want := process.FileHint(1025), `raise the hard limit: "ulimit -n 2048" as root, "docker run --ulimit nofile=2048", or LimitNOFILE=2048 of a systemd unit`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
