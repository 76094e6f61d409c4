package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nix2gpu/control"
	"nix2gpu/control/server"
	"nix2gpu/project"
	"nix2gpu/servicelog"
)

// serveLogs serves the log files in dir.
func serveLogs(t *testing.T, dir string) *http.Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := server.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := server.New(server.Options{Engine: newFake(), Resolve: (*project.Project).ResolveAll, Logs: servicelog.NewReader(dir)})
	go srv.Serve(l)
	t.Cleanup(srv.Close)
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
}

// record returns a line of a log file.
func record(message string) string {
	return time.Now().UTC().Format("2006-01-02T15:04:05.000000000Z") + " stdout F " + message + "\n"
}

func TestLogLines(t *testing.T) {
	dir := t.TempDir()
	var log strings.Builder
	for i := range 10 {
		log.WriteString(record(fmt.Sprint("line ", i)))
	}
	log.WriteString(record("\xff\x1b\"<&>"))
	if err := os.WriteFile(filepath.Join(dir, "api.log"), []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serveLogs(t, dir)
	all := []string{"line 0", "line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7", "line 8", "line 9", "\uFFFD\x1b\"<&>"}
	for path, want := range map[string][]string{
		"0/0":          all,
		"0/3":          all[8:],
		"0/11":         all,
		"0/1073741824": all,
		"2/3":          all[6:9],
		"2/0":          all[:9],
		"10/5":         all[:1],
		"11/5":         {},
		"99/0":         {},
	} {
		resp, err := c.Get("http://sock/process/logs/api/" + path)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Logs []string }
		err = json.NewDecoder(resp.Body).Decode(&got)
		resp.Body.Close()
		if err != nil || got.Logs == nil || !slices.Equal(got.Logs, want) {
			t.Errorf("%s: got %q, %v; want %q", path, got.Logs, err, want)
		}
	}
	for _, path := range []string{"1073741825/0", "0/1073741825", "-1/0", "0/-1"} {
		resp, err := c.Get("http://sock/process/logs/api/" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("%s: status %d, want 400", path, resp.StatusCode)
		}
	}
}

// Four requests at once ask for 64 MB each; the supervisor must hold none of it.
func TestLogsAreStreamed(t *testing.T) {
	dir := t.TempDir()
	line := record(strings.Repeat("x", 16<<10))
	for i := range 4 {
		name := "api.log"
		if i > 0 {
			name += fmt.Sprint(".", i)
		}
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte(line), 1024), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := serveLogs(t, dir)
	// The heap is measured while nobody reads: the server then can't write and allocates
	// nothing, so that the amount of garbage does not depend on the machine.
	var reading sync.RWMutex
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	measure := func() uint64 {
		reading.Lock()
		defer reading.Unlock()
		runtime.GC() // during which the server only fills the socket's buffers
		metrics.Read(live)
		return live[0].Value.Uint64()
	}
	before, peak := measure(), uint64(0)
	// Otherwise each is read all the time: a reader that stands still is dropped.
	paths := []string{"0/0", "0/4096", "0/100000000", "1/4096"}
	read, due := make(chan error, len(paths)), make(chan bool, 1)
	for _, path := range paths {
		go func() {
			resp, err := c.Get("http://sock/process/logs/api/" + path)
			if err != nil {
				read <- err
				return
			}
			defer resp.Body.Close()
			n, buf := 0, make([]byte, 64<<10)
			for err == nil {
				reading.RLock()
				var got int
				got, err = resp.Body.Read(buf)
				reading.RUnlock()
				if n>>24 != (n+got)>>24 { // each 16 MiB
					select {
					case due <- true:
					default:
					}
				}
				n += got
			}
			if err == io.EOF {
				err = nil
			}
			if err == nil && n < 60<<20 {
				err = fmt.Errorf("only %d bytes", n)
			}
			if err != nil {
				err = fmt.Errorf("%s: %v", path, err)
			}
			read <- err
		}()
	}
	for left := len(paths); left > 0; {
		select {
		case err := <-read:
			left--
			if err != nil {
				t.Error(err)
			}
		case <-due:
			peak = max(peak, measure())
		}
	}
	// One answer is 64 MiB, and there are four at once.
	if grown := int64(peak) - int64(before); grown > 16<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
}

func TestLogsByLevelAndField(t *testing.T) {
	dir := t.TempDir()
	log := record("ERROR:  no") + record("fine") + record(`{"level":"error","status":500}`) + record(`{"level":"info","status":500}`)
	if err := os.WriteFile(filepath.Join(dir, "api.log"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serveLogs(t, dir)
	for query, want := range map[string][]string{
		"priority=err":                                 {"ERROR:  no", `{"level":"error","status":500}`},
		"priority=info&field=status=500":               {`{"level":"error","status":500}`, `{"level":"info","status":500}`},
		"field=status=500&field=level=info&priority=7": {`{"level":"info","status":500}`},
		"priority=loud":                                nil,
		"field=status":                                 nil,
		"priority=err&priority=info":                   nil,
	} {
		resp, err := c.Get("http://sock/v1/logs?since=1h&service=api&" + query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if resp.StatusCode == 200 {
			for dec := json.NewDecoder(resp.Body); ; {
				var line control.LogLine
				if dec.Decode(&line) != nil {
					break
				}
				if line.Level != servicelog.FindLevel([]byte(line.Message)).String() {
					t.Errorf("%s: %+v has another level", query, line)
				}
				got = append(got, line.Message)
			}
		} else if resp.StatusCode != 400 {
			t.Errorf("%s: status %d", query, resp.StatusCode)
		}
		resp.Body.Close()
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
}
