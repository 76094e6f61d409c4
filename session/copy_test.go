package session

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"nix2gpu/control"
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
