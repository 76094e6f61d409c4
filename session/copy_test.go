package session

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"nix2gpu/control"
	"nix2gpu/project"
)

func none(string) bool { return false }

func TestCopiesAreNumbered(t *testing.T) {
	var c copies
	logs := []string{"api", "api-run-3", "api-run-007", "api-run-x", "apis-run-9", "api-run-12-run-40"}
	for _, want := range []string{"api-run-4", "api-run-5"} { // the first has no log yet
		if got, _ := c.next("api-run", logs, none, os.Getpid(), control.RunningCopy{}); got != want {
			t.Errorf("the next copy is %s, want %s", got, want)
		}
	}
	taken := func(name string) bool { return name == "run-0" || name == "run-1" }
	if got, _ := c.next("run", []string{"run-0", "run-1"}, taken, os.Getpid(), control.RunningCopy{}); got != "run-2" {
		t.Errorf("beside services called run-0 and run-1 the first copy is %s, want run-2", got)
	}
}

// Of the logs of copies the last are kept, and those of copies that run.
func TestOldCopiesGo(t *testing.T) {
	var c copies
	living := exec.Command("sleep", "1000")
	ended := exec.Command("true")
	for _, cmd := range []*exec.Cmd{living, ended} {
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	defer living.Wait()
	defer living.Process.Kill()
	first, _ := c.next("api-run", nil, none, living.Process.Pid, control.RunningCopy{})
	second, _ := c.next("api-run", nil, none, ended.Process.Pid, control.RunningCopy{})
	if err := ended.Wait(); err != nil {
		t.Fatal(err)
	}
	logs := []string{first, second}
	for i := range keptCopies {
		logs = append(logs, fmt.Sprintf("api-run-%d", 100+i))
	}
	slices.Sort(logs)
	name, old := c.next("api-run", logs, none, os.Getpid(), control.RunningCopy{})
	if want := []string{second, "api-run-100"}; name != "api-run-120" || !slices.Equal(old, want) {
		t.Errorf("%s takes the place of %v, want api-run-120 and %v", name, old, want)
	}
}

// How a copy ended is told by who ran it, and by nobody else; if that was killed, nobody knows.
func TestCopyEnds(t *testing.T) {
	c := &copies{}
	one, _ := c.next("api-run", nil, none, os.Getpid(), control.RunningCopy{})
	if err := c.Tell(control.EndedCopy{Name: one}, os.Getpid()+1); !errors.Is(err, control.ErrConflict) {
		t.Errorf("another process tells the end: %v", err)
	}
	if c.Ended(one) || len(c.Running()) != 1 {
		t.Error("it runs, and has ended")
	}
	if err := c.Tell(control.EndedCopy{Name: one, Exit: &project.Exit{Code: 3}}, os.Getpid()); err != nil {
		t.Fatal(err)
	}
	end, err := c.Await(t.Context(), one)
	if err != nil || end.Exit == nil || end.Exit.Code != 3 || !c.Ended(one) || len(c.Running()) != 0 {
		t.Errorf("it ended with %+v, %v", end, err)
	}
	killed := exec.Command("sleep", "1000")
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	two, _ := c.next("api-run", nil, none, killed.Process.Pid, control.RunningCopy{})
	go c.watch(t.Context(), two)
	killed.Process.Kill()
	killed.Wait()
	if end, err := c.Await(t.Context(), two); err != nil || end.Name != two || end.Exit != nil {
		t.Errorf("who ran it was killed: %+v, %v", end, err)
	}
	if _, err := c.Await(t.Context(), "api-run-9"); !errors.Is(err, control.ErrNotFound) {
		t.Errorf("a copy that never was: %v", err)
	}
	three, _ := c.next("api-run", nil, none, os.Getpid(), control.RunningCopy{})
	closed := make(chan struct{})
	close(closed)
	c.closed = closed
	if _, err := c.Await(t.Context(), three); !errors.Is(err, control.ErrFailed) {
		t.Errorf("the project ended first: %v", err)
	}
	for range 20 { // a select takes any of two
		if end, err := c.Await(t.Context(), one); err != nil || end.Exit == nil {
			t.Fatalf("the copy ended first: %+v, %v", end, err)
		}
	}
}

// A project that was begun for copies ends with the last of them, and with who has begun it.
func TestLastCopyEndsTheProject(t *testing.T) {
	beginner := exec.Command("sleep", "1000")
	if err := beginner.Start(); err != nil {
		t.Fatal(err)
	}
	pid := beginner.Process.Pid
	begun := func(c *copies) (ended chan struct{}) {
		ended = make(chan struct{})
		c.begunBy(pid, func() { close(ended) })
		go c.watchBeginner(t.Context(), pid)
		return ended
	}
	goesOn := func(ended chan struct{}, while string) {
		t.Helper()
		select {
		case <-ended:
			t.Errorf("it ends %s", while)
		default:
		}
	}
	last, joined, killed := new(copies), new(copies), new(copies)
	ended := begun(last)
	done := last.prepare(pid)
	name, _ := last.next("api-run", nil, none, pid, control.RunningCopy{})
	done()
	goesOn(ended, "while a copy runs")
	done = last.prepare(os.Getpid())
	if err := last.Tell(control.EndedCopy{Name: name}, pid); err != nil {
		t.Error(err)
	}
	goesOn(ended, "while another is prepared")
	done()
	<-ended

	// Who has begun it gives up: a request of its own that it no longer waits for, and a copy
	// of which it does not know, keep nothing.
	impatient := new(copies)
	ended = begun(impatient)
	done = impatient.prepare(pid)
	name, _ = impatient.next("api-run", nil, none, pid, control.RunningCopy{})
	var back []int
	impatient.takeBack = func(pid int) { back = append(back, pid) }
	if err := impatient.Tell(control.EndedCopy{}, pid); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	default:
		t.Error("it goes on, and nobody wants it")
	}
	if !impatient.Ended(name) || len(back) != 1 {
		t.Errorf("the copy has ended: %t; its runner was taken back %d times, want once", impatient.Ended(name), len(back))
	}
	done()

	stays := begun(joined)
	joined.joined()
	if err := joined.Tell(control.EndedCopy{}, pid); err != nil {
		t.Error(err)
	}
	goesOn(stays, "though more was asked for")

	ended = begun(killed)
	goesOn(ended, "before the first copy")
	beginner.Process.Kill()
	beginner.Wait()
	<-ended
	goesOn(stays, "with who has begun it, though more was asked for")
}
