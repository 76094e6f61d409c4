package supervisor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nix2gpu/gpu"
	"nix2gpu/internal/testkit"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

func card(uuid string, used int64) gpu.Card {
	return gpu.Card{UUID: uuid, Name: "N", Memory: 80 << 30, Used: used << 30}
}

// A card tells of a service only as long as no other has used it.
func TestGPUMemoryOfSharedCards(t *testing.T) {
	var g gpuMemory
	g.begin(1, "a", []gpu.Card{card("x", 1), card("y", 2)})
	if got := fmt.Sprint(g.of("a")); got != "map[x:1073741824 y:2147483648]" {
		t.Errorf("alone: %v", got)
	}
	g.begin(2, "b", []gpu.Card{card("y", 5), card("z", 0)})
	if got := fmt.Sprint(g.of("a"), g.of("b")); got != "map[x:1073741824] map[z:0]" {
		t.Errorf("with another beside it: %v", got)
	}
	g.end(2)
	g.begin(3, "a", []gpu.Card{card("x", 1), card("y", 3)})
	if got := fmt.Sprint(g.of("a"), g.of("b")); got != "map[x:1073741824 y:3221225472] map[z:0]" {
		t.Errorf("after the other has ended: %v", got)
	}
	g.end(1)
	g.end(3)
	if got := g.of("c"); len(got) != 0 {
		t.Errorf("of a service that never began: %v", got)
	}
}

// wait runs awaitGPU of a service in a bubble of its own time, with the memory
// in use as answer says after so long.
func wait(t *testing.T, answer func(since time.Duration) (out string, code int, err error), cancelAfter time.Duration) (said string, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out testkit.Buffer
		hub, hubErr := servicelog.Open(servicelog.Options{Stdout: &out})
		if hubErr != nil {
			t.Fatal(hubErr)
		}
		begun := time.Now()
		m := &machine{Machine: Machine{Hub: hub, GPU: func(context.Context, ...string) (string, int, error) { return answer(time.Since(begun)) }}}
		m.memory.begin(1, "train", []gpu.Card{{UUID: "GPU-a", Used: 1 << 30}})
		m.memory.end(1)
		x := &execution{m: m, cancel: make(chan struct{}), Run: Run{ID: 2,
			Service: &project.Service{ID: "train", Label: "train", GPUs: &project.GPUs{All: true}}, Process: &project.Process{ID: "train", Role: project.Main}}}
		x.over, x.end = context.WithCancel(t.Context())
		defer x.end()
		if cancelAfter > 0 {
			time.AfterFunc(cancelAfter, func() { close(x.cancel) })
		}
		err = x.awaitGPU()
		took = time.Since(begun)
		x.close()
		if err := hub.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		said = out.String()
	})
	return said, took, err
}

func row(used int) string {
	return fmt.Sprintf("0, GPU-a, 81920, %d, %d, b, 570.1, Disabled, 9.0, N\n", used, 81920-used)
}

func TestAwaitGPU(t *testing.T) {
	for _, c := range []struct {
		name        string
		answer      func(time.Duration) (string, int, error)
		cancelAfter time.Duration
		took        time.Duration
		said        string
		err         error
	}{
		{"free at once", func(time.Duration) (string, int, error) { return row(1024), 0, nil }, 0, 0, "", nil},
		{"free after 3 s", func(d time.Duration) (string, int, error) {
			if d < 3*time.Second {
				return row(21504), 0, nil
			}
			return row(1025), 0, nil
		}, 0, 3 * time.Second, "[nix2gpu] train: waits until the memory of its last run is free: GPU 0 (N) has 21 GiB in use, 20 GiB more than before\n[nix2gpu] train: the memory is free after 3s\n", nil},
		{"never free", func(time.Duration) (string, int, error) { return row(21504), 0, nil }, 0, freeLimit,
			"[nix2gpu] train: waits until the memory of its last run is free: GPU 0 (N) has 21 GiB in use, 20 GiB more than before\n" +
				"[nix2gpu] train: starts although its memory is not free after 30s: GPU 0 (N) has 21 GiB in use, 20 GiB more than before\n", nil},
		{"stopped meanwhile", func(time.Duration) (string, int, error) { return row(21504), 0, nil }, 5 * time.Second, 5 * time.Second,
			"[nix2gpu] train: waits until the memory of its last run is free: GPU 0 (N) has 21 GiB in use, 20 GiB more than before\n", errStopped},
		{"a broken driver", func(time.Duration) (string, int, error) {
			return "Failed to initialize NVML: Driver/library version mismatch", 18, nil
		}, 0, 0, "[nix2gpu] train: the driver's libraries are of another version than the driver that runs: restart the host, whose driver was upgraded, then the container\n", nil},
		{"no GPU", func(time.Duration) (string, int, error) { return "", 0, gpu.Absent(true) }, 0, 0, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, took, err := wait(t, c.answer, c.cancelAfter)
			if said != c.said || took != c.took || err != c.err {
				t.Errorf("took %v, %v, and said\n%s\nwant %v, %v\n%s", took, err, said, c.took, c.err, strings.TrimSpace(c.said))
			}
		})
	}
}
