package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// unsupported is the exit code of an adapter whose supervisor can't do a job.
const unsupported = 3

// patience is how long anything may take before a row is given up.
const patience = time.Minute

// A run is a set that runs under one supervisor.
type run struct {
	place   *place
	cmd     *exec.Cmd
	log     *os.File  // the supervisor's stderr, and stdout where no row reads that
	began   time.Time // when it was executed; the floor says so itself
	tells   chan tell
	ended   chan struct{}
	failure error // how it ended; after ended
}

// A tell is what a service says: its name and its pid, or a number.
type tell struct {
	name   string
	number int64
	at     time.Time
}

// start runs a set. stdout gets the supervisor's stdout; nil means that nobody looks.
func start(p *place, peer Peer, set Set, stdout *os.File) (*run, error) {
	cmd, err := peer.Run(p, set)
	if err != nil {
		return nil, err
	}
	r := &run{place: p, cmd: cmd, tells: make(chan tell, 1024), ended: make(chan struct{})}
	if r.log, err = os.Create(p.path("supervisor.log")); err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = r.log, r.log
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	go r.listen()
	r.began = time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		r.failure = cmd.Wait()
		close(r.ended)
	}()
	return r, nil
}

// listen reads what services tell. It ends when the place is removed.
func (r *run) listen() {
	for in := bufio.NewReader(r.place.tell); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		t := tell{at: time.Now()}
		var number string
		t.name, number, _ = strings.Cut(strings.TrimSpace(line), " ")
		t.number, _ = strconv.ParseInt(number, 10, 64)
		r.tells <- t
	}
}

// next waits for the next thing that a service tells.
func (r *run) next(ctx context.Context) (tell, error) {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case t := <-r.tells:
			if t.name == "began" {
				r.began = time.Unix(0, t.number)
				continue
			}
			return t, nil
		case <-r.ended:
			return tell{}, r.early()
		case <-late.C:
			return tell{}, fmt.Errorf("nothing happened for %s:\n%s", patience, r.last())
		case <-ctx.Done():
			return tell{}, context.Cause(ctx)
		}
	}
}

// early says why the supervisor ended before it was told to.
func (r *run) early() error {
	var exit *exec.ExitError
	if errors.As(r.failure, &exit) && exit.ExitCode() == unsupported {
		return errUnsupported
	}
	return fmt.Errorf("the supervisor ended early (%v):\n%s", r.failure, r.last())
}

// last is the end of what the supervisor said.
func (r *run) last() string {
	text, _ := os.ReadFile(r.log.Name())
	return string(text[max(0, len(text)-2000):])
}

// all waits until n services have told something, and returns when the last one did.
func (r *run) all(ctx context.Context, n int) (last time.Time, pids map[string]int, err error) {
	pids = map[string]int{}
	for len(pids) < n {
		t, err := r.next(ctx)
		if err != nil {
			return last, pids, err
		}
		pids[t.name] = int(t.number)
		if t.at.After(last) {
			last = t.at
		}
	}
	return last, pids, nil
}

// stop ends the supervisor and returns how long that took, until nothing of it is left.
func (r *run) stop() (time.Duration, error) {
	began := time.Now()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.kill()
		return 0, errors.New("the supervisor does not stop")
	}
	took := time.Since(began)
	if left := tree(r.cmd.Process.Pid); len(left) > 0 {
		r.kill()
	}
	return took, nil
}

// kill ends what must not be left after a failure: all processes with our folder in
// their command lines, and the supervisor.
func (r *run) kill() {
	for _, pid := range tree(r.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// close ends the run if it still goes on.
func (r *run) close() {
	select {
	case <-r.ended:
	default:
		_, _ = r.stop()
	}
	r.log.Close()
}

// fifo makes a FIFO and opens it for both directions.
func fifo(path string) (*os.File, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}
