package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runFloor is the raw floor: it runs a Set with as little as the job needs, and nothing
// that makes a supervisor worth having. It reads no definition but the list of commands,
// gives its services its own stdout, and restarts them at once. It never looks at what
// they print, unless something waits for a line of it.
func runFloor(dir string) error {
	set, err := readSet(dir)
	if err != nil {
		return err
	}
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGTERM, syscall.SIGINT)
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	tell, err := os.OpenFile(filepath.Join(dir, "tell"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// Times count from here: what the start of the floor's own program takes is not the
	// cost of starting services.
	fmt.Fprintln(tell, "began", time.Now().UnixNano())
	f := &floor{null: null, running: map[int]*Service{}}
	for i := range set.Services {
		s := &set.Services[i]
		if err := f.start(s); err != nil {
			return err
		}
		if s.HTTP > 0 || s.Exec != "" {
			go s.probe(null, time.Duration(i)*time.Second/time.Duration(len(set.Services)))
		}
	}
	go func() {
		<-quit
		f.stop()
	}()
	return f.reap()
}

type floor struct {
	null *os.File

	mu      sync.Mutex
	running map[int]*Service
	ending  bool
}

func (f *floor) start(s *Service) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ending {
		return nil
	}
	pid, err := s.spawn(f.null)
	if err == nil {
		f.running[pid] = s
	}
	return err
}

func (f *floor) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ending = true
	for pid := range f.running {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

// reap waits for all processes, those of probes too, until no service is left.
func (f *floor) reap() error {
	for {
		pid, err := syscall.Wait4(-1, nil, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		f.mu.Lock()
		s, left := f.running[pid], len(f.running)
		if s != nil {
			delete(f.running, pid)
			left--
		}
		ending := f.ending
		f.mu.Unlock()
		if s != nil && s.Restart && !ending {
			if err := f.start(s); err != nil {
				return err
			}
		} else if left == 0 {
			return nil
		}
	}
}

// spawn starts a service, and waits until it is ready if something may wait for that.
func (s *Service) spawn(null *os.File) (int, error) {
	out := os.Stdout
	var lines *os.File
	if s.Ready != "" {
		r, w, err := os.Pipe()
		if err != nil {
			return 0, err
		}
		defer w.Close()
		lines, out = r, w
	}
	pid, err := syscall.ForkExec(s.Command[0], s.Command, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{null.Fd(), out.Fd(), os.Stderr.Fd(), out.Fd()},
	})
	if err != nil || lines == nil {
		return pid, err
	}
	out.Close()
	in := bufio.NewReader(lines)
	if line, err := in.ReadString('\n'); err != nil || strings.TrimSpace(line) != "ready" {
		return pid, fmt.Errorf("%s: %q in place of ready: %v", s.Name, line, err)
	}
	go io.Copy(io.Discard, in)
	return pid, nil
}

// probe asks the service each second.
func (s *Service) probe(null *os.File, first time.Duration) {
	time.Sleep(first)
	request := []byte("GET /" + s.Name + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
	for answer := make([]byte, 4096); ; time.Sleep(time.Second) {
		if s.Exec != "" {
			_, _ = syscall.ForkExec(s.Exec, []string{s.Exec}, &syscall.ProcAttr{Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}})
			continue // the reaper waits for it
		}
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.HTTP))
		if err != nil {
			continue
		}
		if _, err = conn.Write(request); err == nil {
			_, _ = conn.Read(answer)
		}
		conn.Close()
	}
}
