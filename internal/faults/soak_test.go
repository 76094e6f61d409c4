package faults

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/client"
	"nix2gpu/internal/testkit"
)

var soak = flag.Duration("soak", 0, "how long TestSoak lasts; 0: as many rounds as are enough to count")

// soaked is a project in which much happens all the time.
const soaked = `{ listen.address = "127.0.0.1:28490"; services.custom = {
  "crash" = { enable = true; command = "sleep 0.02; exit 1"; restart = "always"; restart_delay = "20ms"; };
  "sleeper" = { enable = true; command = "exec sleep 1000"; readiness_probe = { exec.command = "true"; period_seconds = 1; timeout_seconds = 60; }; };
  "user" = { enable = true; command = "exec sleep 1000"; depends_on.sleeper = "ready"; environment.ROUND = "@"; };
  "talker" = { enable = true; command = "while :; do seq -f 'line %g of a log that is rotated again and again' 2000; sleep 0.05; done"; };
  "often" = { enable = true; command = "echo it runs"; schedule.interval = "1s"; };
  "parent" = { enable = true; command = "while :; do (setsid sleep 0.01 &); sleep 0.05; done"; };
}; }
`

// A reading is what the supervisor uses at one moment.
type reading struct {
	at                             time.Duration
	memory, files, threads, zombie int // memory in KiB
	goroutines                     int
}

// read reads what a process uses.
func read(t *testing.T, pid int) (r reading) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			fmt.Sscan(rest, &r.memory)
		}
		if rest, ok := strings.CutPrefix(line, "Threads:"); ok {
			fmt.Sscan(rest, &r.threads)
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	r.files = len(files)
	r.zombie, _ = countChildren(pid)
	return r
}

// slope is the growth of a quantity in each hour, by least squares, and of how much of its
// scatter that is an explanation: 1 is a straight line, 0 is none.
func slope(list []reading, of func(reading) float64) (perHour, fit float64) {
	var n, x, y, xx, xy, yy float64
	for _, r := range list {
		a, b := r.at.Hours(), of(r)
		n, x, y, xx, xy, yy = n+1, x+a, y+b, xx+a*a, xy+a*b, yy+b*b
	}
	vx, vy, c := n*xx-x*x, n*yy-y*y, n*xy-x*y
	if vx <= 0 || vy <= 0 {
		return 0, 0
	}
	return c / vx, c * c / (vx * vy)
}

func TestSlope(t *testing.T) {
	var line, flat, noise []reading
	for i := range 100 {
		at := time.Duration(i) * time.Minute
		line = append(line, reading{at: at, memory: 1000 + 2*i})
		flat = append(flat, reading{at: at, memory: 1000})
		noise = append(noise, reading{at: at, memory: 1000 + 100*(i%2)})
	}
	memory := func(r reading) float64 { return float64(r.memory) }
	if s, fit := slope(line, memory); math.Abs(s-120) > 1e-6 || math.Abs(fit-1) > 1e-6 {
		t.Errorf("a line: %v, %v", s, fit)
	}
	if s, fit := slope(flat, memory); s != 0 || fit != 0 {
		t.Errorf("a constant: %v, %v", s, fit)
	}
	if _, fit := slope(noise, memory); fit > 0.1 {
		t.Errorf("noise: %v", fit)
	}
}

// TestSoak runs a project in which services crash, reloads and restarts come, logs are
// rotated, schedules run, and followers are connected, some by TCP. With -soak it lasts
// that long and judges by slopes; else it counts at two moments, between which as much
// happened as before the first.
func TestSoak(t *testing.T) {
	s := testkit.NewStackFrom(t, "")
	write := func(round int) {
		s.Write("nix2gpu.nix", strings.Replace(soaked, "@", fmt.Sprint(round), 1))
	}
	write(0)
	up := s.StartCommand("bash", "-c", "exec nix2gpu up >/dev/null")
	c := connect(s)
	if !testkit.Eventually(func() bool {
		st, err := c.State(t.Context())
		return err == nil && len(st.Services) == 6 && up.Running()
	}) {
		t.Fatalf("it does not run:\n%s", up.Output())
	}
	pid := up.Supervisor()

	// Two follow logs and events on the socket, one events by TCP.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var lines, events, byTCP atomic.Int64
	go func() {
		_ = c.Logs(ctx, client.LogQuery{Follow: true}, func(control.LogLine) error { lines.Add(1); return nil })
	}()
	go func() {
		_ = c.Events(ctx, func(control.Message) error { events.Add(1); return nil })
	}()
	token, err := os.ReadFile(filepath.Join(state(s), "token"))
	if err != nil {
		t.Fatal(err)
	}
	remote := &http.Client{Transport: &http.Transport{DialContext: s.Net.Dial}}
	get := func(path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:28490"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		return remote.Do(req)
	}
	go func() {
		resp, err := get("/v1/events")
		if err != nil {
			return // seen by the count
		}
		defer resp.Body.Close()
		buf := make([]byte, 4096)
		for {
			n, err := resp.Body.Read(buf)
			byTCP.Add(int64(n))
			if err != nil {
				return
			}
		}
	}()

	began := time.Now()
	round, restarts, goroutines := 0, 0, 0
	turn := func() {
		round++
		write(round)
		for _, args := range [][]string{{"reload"}, {"restart", "sleeper"}, {"logs", "--tail", "5", "talker"}, {"ps"}} {
			if _, stderr, code := s.Exec(args...); code != 0 {
				t.Fatalf("%v: exit code %d, %s", args, code, stderr)
			}
		}
		resp, err := get("/metrics")
		if err != nil {
			t.Fatal(err)
		}
		metrics, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		goroutines = 0
		if _, rest, ok := strings.Cut(string(metrics), "\ngo_goroutines "); ok {
			fmt.Sscan(rest, &goroutines)
		}
		if goroutines == 0 {
			t.Fatalf("no goroutines in the metrics:\n%.2000s", metrics)
		}
		crash, err := c.Service(t.Context(), "crash")
		if err != nil {
			t.Fatal(err)
		}
		restarts = crash.Restarts
	}
	now := func() reading {
		r := read(t, pid)
		r.at, r.goroutines = time.Since(began), goroutines
		return r
	}
	var list []reading
	if *soak == 0 {
		half := func(n int) reading {
			for restarts < n {
				turn()
			}
			// What is on its way makes the counts of a moment vary: the least of several.
			least := now()
			for range 20 {
				time.Sleep(10 * time.Millisecond)
				r := now()
				least = reading{r.at, min(r.memory, least.memory), min(r.files, least.files), min(r.threads, least.threads), min(r.zombie, least.zombie), goroutines}
			}
			return least
		}
		half(10) // what is opened once and for all
		list = []reading{half(30), half(60)}
		a, b := list[0], list[1]
		if b.files > a.files+5 || b.threads > a.threads+8 || b.zombie > 2 || b.goroutines > a.goroutines+15 {
			t.Errorf("after 30 restarts %+v, after 60 %+v", a, b)
		}
	} else {
		for time.Since(began) < *soak {
			turn()
			if time.Since(began) > *soak/10 || *soak < time.Minute { // the beginning fills buffers
				list = append(list, now())
			}
		}
		for _, q := range []struct {
			name  string
			of    func(reading) float64
			bound float64 // of growth from the first tenth to the end
		}{
			{"memory (KiB)", func(r reading) float64 { return float64(r.memory) }, 2048},
			{"descriptors", func(r reading) float64 { return float64(r.files) }, 5},
			{"goroutines", func(r reading) float64 { return float64(r.goroutines) }, 5},
			{"threads", func(r reading) float64 { return float64(r.threads) }, 5},
			{"zombies", func(r reading) float64 { return float64(r.zombie) }, 2},
		} {
			perHour, fit := slope(list, q.of)
			grown := perHour * (list[len(list)-1].at - list[0].at).Hours()
			verdict := "no slope"
			if fit > 0.25 && grown > q.bound {
				verdict = "GROWS"
				t.Errorf("%s grow", q.name)
			}
			fmt.Printf("%-13s first %6.0f  last %6.0f  slope %+8.1f an hour (fit %.2f): %s\n", q.name, q.of(list[0]), q.of(list[len(list)-1]), perHour, fit, verdict)
		}
	}
	if lines.Load() == 0 || events.Load() == 0 || byTCP.Load() == 0 {
		t.Errorf("followers got %d lines, %d events, and %d bytes by TCP", lines.Load(), events.Load(), byTCP.Load())
	}
	last := list[len(list)-1]
	t.Attr("R9", fmt.Sprintf("%d restarts, %d reloads, %d lines followed, %d events, in %v: descriptors %d → %d, goroutines %d → %d, zombies %d, memory %+d KiB",
		restarts, round, lines.Load(), events.Load(), last.at.Round(time.Second), list[0].files, last.files, list[0].goroutines, last.goroutines, last.zombie, last.memory-list[0].memory))
	cancel()
	up.Signal(syscall.SIGTERM)
	up.Wait()
	s.WantNothingLeft()
}
