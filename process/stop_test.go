package process_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nix2gpu/process"
	"nix2gpu/project"
)

// alive reports whether a process still runs; a zombie does not.
func alive(pid int) bool {
	info, err := process.Inspect(pid)
	return err == nil && info.State != 'Z' && info.State != 'X'
}

// printing starts a script and reads the pids that it prints, n of them.
func printing(t *testing.T, h *process.Host, spec process.Spec, n int) (*process.Process, []int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	spec.Stdout = w
	p, err := h.Start(spec)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return p, readPIDs(t, bufio.NewScanner(r), n)
}

func readPIDs(t *testing.T, lines *bufio.Scanner, n int) (pids []int) {
	t.Helper()
	for len(pids) < n && lines.Scan() {
		pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if len(pids) < n {
		t.Fatalf("%d pids, want %d", len(pids), n)
	}
	return pids
}

// The ways in which a descendant hides. Each script prints its pid.
const (
	inGroup   = `sleep 1000 & echo $!; `
	ownGroup  = `set -m; sleep 1000 & echo $!; set +m; `
	inSession = `setsid sh -c 'echo $$; exec sleep 1000' & `
	daemon    = `(setsid sh -c 'echo $$; exec sleep 1000' &) ; `
	noEnv     = `(sh -c 'echo $$; exec env -i sleep 1000' &) ; `
	nameOnly  = `(setsid env -i sh -c 'echo $$; while :; do sleep 1000; done' &) ; ` // as a title-setting server
	stubborn  = `(setsid sh -c 'trap "" TERM HUP; echo $$; while :; do sleep 1000; done' &) ; `
	stopped   = `(setsid sh -c 'echo $$; kill -STOP $$; sleep 1000' &) ; `
)

func TestNoDescendantOutlivesAStop(t *testing.T) {
	h := newHost(t, process.Options{})
	for name, script := range map[string]string{
		"in the group": inGroup, "own group": ownGroup, "own session": inSession, "daemon": daemon,
		"without environment": noEnv, "with the same name only": nameOnly, "ignores TERM": stubborn, "stopped": stopped,
	} {
		for how, end := range map[string]func(*process.Process){
			"TERM": func(p *process.Process) {
				p.Terminate(0, false)
				<-p.Exited()
				time.AfterFunc(20*time.Millisecond, p.Kill) // the grace is over
			},
			"KILL":       func(p *process.Process) { p.Kill() },
			"main alone": func(p *process.Process) { p.Signal(project.SIGKILL) },
		} {
			t.Run(name+", "+how, func(t *testing.T) {
				spec := shell(script + "echo $$; while :; do sleep 1000 & wait; done")
				spec.LeftoverGrace = 50 * time.Millisecond
				p, pids := printing(t, h, spec, 2)
				end(p)
				await(t, "done", p.Done())
				for _, pid := range pids {
					if alive(pid) {
						t.Errorf("%d is still alive", pid)
					}
				}
				if left := p.Left(); left != nil {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}

// TestNoFalseAlarm: what could be ended is not told as what could not.
func TestNoFalseAlarm(t *testing.T) {
	var said bytes.Buffer
	h := newHost(t, process.Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
	spec := shell(stubborn + "while [ ! -e $0 ]; do sleep 0.01; done")
	spec.Argv = append(spec.Argv, filepath.Join(t.TempDir(), "end"))
	spec.LeftoverGrace = time.Nanosecond
	p, pids := printing(t, h, spec, 1)
	if err := os.WriteFile(spec.Argv[3], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "done", p.Done())
	if alive(pids[0]) || said.Len() > 0 {
		t.Errorf("alive: %v, and it said %s", alive(pids[0]), said.String())
	}
}

// TestKillEndsWhatOnlyTheParentChainShows is about a descendant that left group
// and session, and has neither cookie nor name of the program: once that is
// dead, nothing would show that it is one.
func TestKillEndsWhatOnlyTheParentChainShows(t *testing.T) {
	h := newHost(t, process.Options{})
	p, pids := printing(t, h, shell("setsid env -i sleep 1000 & echo $!; while :; do sleep 1000 & wait; done"), 1)
	eventually(t, "it is on its own", func() bool {
		info, err := process.Inspect(pids[0])
		return err == nil && info.SID == pids[0] && info.Name == "sleep"
	})
	p.Kill()
	await(t, "done", p.Done())
	if alive(pids[0]) {
		t.Errorf("%d is still alive", pids[0])
	}
}

// TestLeftoversOfAStopHaveItsGrace is about a shell that dies of TERM at once
// while its command still saves: nobody kills it before Kill.
func TestLeftoversOfAStopHaveItsGrace(t *testing.T) {
	h := newHost(t, process.Options{})
	dir := t.TempDir()
	spec := shell(`sh -c 'trap "while [ ! -e ` + dir + `/go ]; do sleep 0.01; done; echo > ` + dir + `/saved; exit" TERM
		echo $$; while :; do sleep 0.1; done'; true`)
	spec.LeftoverGrace = time.Nanosecond
	p, _ := printing(t, h, spec, 1)
	p.Terminate(0, false)
	await(t, "the end of the shell", p.Exited())
	if err := os.WriteFile(dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "done", p.Done())
	if _, err := os.Stat(dir + "/saved"); err != nil {
		t.Error("it was killed before it had saved")
	}
}

func TestNoDescendantOutlivesACrash(t *testing.T) {
	h := newHost(t, process.Options{})
	for name, script := range map[string]string{"in the group": inGroup, "daemon": daemon} {
		t.Run(name, func(t *testing.T) {
			seen := filepath.Join(t.TempDir(), "seen")
			p, pids := printing(t, h, shell(script+"while [ ! -e "+seen+" ]; do sleep 0.01; done; exit 3"), 1)
			if err := os.WriteFile(seen, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			await(t, "done", p.Done())
			if alive(pids[0]) {
				t.Errorf("%d is still alive", pids[0])
			}
			if got := p.Exit().Code; got != 3 {
				t.Errorf("exit code %d, want 3", got)
			}
		})
	}
}

// TestNothingIsLeftOfACrashLoop lets programs end within moments, and leave what has
// neither their session, parent and environment nor a pipe of theirs.
func TestNothingIsLeftOfACrashLoop(t *testing.T) {
	h := newHost(t, process.Options{})
	neighbour, keep := printing(t, h, shell(`(env -i setsid sh -c 'echo $$ >&3; exec sleep 1000 3>&-' 3>&1 >/dev/null 2>&1 &) ; while :; do sleep 1000 & wait; done`), 1)
	for i := range 20 {
		unique := fmt.Sprintf("1000.%d%03d", os.Getpid(), i)
		p := start(t, h, shell("(env -i setsid sleep "+unique+" >/dev/null 2>&1 &); exit 3"))
		await(t, "done", p.Done())
		if left := running(t, unique); len(left) > 0 {
			t.Errorf("%d: %v is left", i, left)
		}
	}
	if !alive(keep[0]) {
		t.Error("a descendant of another service was ended")
	}
	neighbour.Kill()
	await(t, "done", neighbour.Done())
	if alive(keep[0]) {
		t.Error("it outlives a kill of its own")
	}
}

// running returns the processes that have an argument.
func running(t *testing.T, arg string) (pids []string) {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline") // it may have ended
		if slices.Contains(strings.Split(string(line), "\x00"), arg) {
			pids = append(pids, filepath.Base(dir))
		}
	}
	return pids
}

func TestOnlyMainLeavesDescendantsUntilClose(t *testing.T) {
	for how, end := range map[string]func(*process.Process){
		"TERM": func(p *process.Process) { p.Terminate(0, false) },
		"KILL": (*process.Process).Kill,
	} {
		t.Run(how, func(t *testing.T) {
			h, err := process.New(process.Options{})
			if err != nil {
				t.Fatal(err)
			}
			spec := shell(daemon + inGroup + "wait")
			spec.Mode = process.OnlyMain
			p, pids := printing(t, h, spec, 2)
			end(p)
			await(t, "done", p.Done())
			for _, pid := range pids {
				if !alive(pid) {
					t.Errorf("%d went with the main process", pid)
				}
			}
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				if alive(pid) {
					t.Errorf("%d is alive after Close", pid)
				}
			}
		})
	}
}

func TestAServicesDescendantsAreNotAnothers(t *testing.T) {
	h := newHost(t, process.Options{})
	spec := shell(daemon + noEnv + inGroup + "echo $$; while :; do sleep 1000 & wait; done")
	_, keep := printing(t, h, spec, 4)
	p, _ := printing(t, h, shell(daemon+noEnv+inGroup+"wait"), 3)
	p.Kill()
	await(t, "done", p.Done())
	for _, pid := range keep {
		if !alive(pid) {
			t.Errorf("%d of another service was ended", pid)
		}
	}
}

// What has nothing by which it could be told is its group's, whatever else ends
// that has the same program and user.
func TestAGroupsDescendantsAreNotAnothers(t *testing.T) {
	h := newHost(t, process.Options{})
	bash := func(script string) process.Spec {
		return process.Spec{Argv: []string{"/bin/bash", "-c", script}, Env: os.Environ()}
	}
	other := start(t, h, bash("while :; do sleep 1000; done"))
	spec := bash("(env -i setsid bash -c 'echo $$; while :; do sleep 1000; done' &); while :; do sleep 1000; done")
	spec.Limits.Pids = 50
	grouped, pids := printing(t, h, spec, 1)
	if err := grouped.Unlimited(); err != nil {
		t.Skip(err)
	}
	other.Kill()
	await(t, "done", other.Done())
	if !alive(pids[0]) {
		t.Errorf("%d went with another service, which has its program and user", pids[0])
	}
	grouped.Kill()
	await(t, "done", grouped.Done())
	if alive(pids[0]) {
		t.Errorf("%d is left after its own service's end", pids[0])
	}
}

func TestTermReachesAStoppedProcess(t *testing.T) {
	h := newHost(t, process.Options{})
	p, _ := printing(t, h, shell("trap 'exit 5' TERM; echo $$; kill -STOP $$; sleep 1000"), 1)
	eventually(t, "it is stopped", func() bool { s, _ := p.State(); return s.State == 'T' })
	p.Terminate(0, false)
	await(t, "done", p.Done())
	if got := p.Exit().Code; got != 5 {
		t.Errorf("exit code %d, want 5", got)
	}
}

func TestTermToMainAlone(t *testing.T) {
	h := newHost(t, process.Options{})
	spec := shell(`sh -c 'trap "exit 9" TERM; echo $$; while :; do sleep 1000 & wait; done' & trap 'wait; exit 4' USR1; echo $$; wait; wait`)
	spec.LeftoverGrace = -1
	p, pids := printing(t, h, spec, 2)
	if err := p.Terminate(10, true); err != nil {
		t.Fatal(err)
	}
	child := pids[0]
	if child == p.PID() {
		child = pids[1]
	}
	if !alive(child) {
		t.Error("the child had the signal as well")
	}
	p.Kill()
	await(t, "done", p.Done())
}

func TestExitTellsOurKill(t *testing.T) {
	h := newHost(t, process.Options{})
	p, _ := printing(t, h, shell("trap '' TERM; echo $$; sleep 1000"), 1)
	p.Terminate(0, false)
	if !alive(p.PID()) {
		t.Error("it did not ignore TERM")
	}
	p.Kill()
	await(t, "done", p.Done())
	if e := p.Exit(); !p.Killed() || e.OOM || e.Code != 137 {
		t.Errorf("got %+v", e)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	h, err := process.New(process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, pids := printing(t, h, shell(daemon+stubborn+inGroup+"wait"), 3)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("%d is alive after Close", pid)
		}
	}
	if _, err := h.Start(shell("true")); !errors.Is(err, process.ErrClosed) {
		t.Errorf("Start after Close = %v", err)
	}
	if err := h.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	out, _ := exec.Command("pgrep", "-P", strconv.Itoa(os.Getpid())).Output()
	for _, child := range strings.Fields(string(out)) {
		if pid, _ := strconv.Atoi(child); alive(pid) {
			t.Errorf("our child %s is left", child)
		}
	}
}

func TestNothingLeaks(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	forkers := func() int { // each is a goroutine on a thread of its own
		var stacks strings.Builder
		pprof.Lookup("goroutine").WriteTo(&stacks, 2)
		return strings.Count(stacks.String(), "onOwnThread")
	}
	round := func() {
		h, err := process.New(process.Options{Launch: launchCommand, Journal: t.TempDir() + "/journal"})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			p := start(t, h, shell("exit 1"))
			await(t, "done", p.Done())
			h.Start(process.Spec{Argv: []string{"/no/such"}})
		}
		p := start(t, h, process.Spec{Argv: []string{"/bin/true"}, Limits: process.Limits{NoFile: 64}})
		await(t, "done", p.Done())
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	round() // what is opened once and for all
	before, running := count(), forkers()
	for range 5 {
		round()
	}
	eventually(t, "no descriptor is left", func() bool { return count() <= before })
	eventually(t, "no thread is left", func() bool { return forkers() <= running })
}

// TestLeftoversAreTold wants whatever a dead program left to have its stop
// signal first, unless it had it with the group.
func TestLeftoversAreTold(t *testing.T) {
	h := newHost(t, process.Options{})
	for name, c := range map[string]struct {
		detach string
		stop   bool // the program is asked to end, and does not just end
	}{
		"in the group, of a program that ended":     {"", false},
		"outside of it, of a program that ended":    {"setsid ", false},
		"in the group, of a program that was told":  {"", true},
		"outside of it, of a program that was told": {"setsid ", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			spec := shell(c.detach + `sh -c 'trap "echo told >> ` + dir + `/told; exit" TERM; echo $$; while :; do sleep 0.05; done' &
				while [ ! -e ` + dir + `/end ]; do sleep 0.05; done`)
			spec.LeftoverGrace = time.Hour
			p, pids := printing(t, h, spec, 1)
			if c.stop {
				p.Terminate(0, false)
			} else if err := os.WriteFile(dir+"/end", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			await(t, "done", p.Done())
			told, _ := os.ReadFile(dir + "/told")
			if string(told) != "told\n" || alive(pids[0]) {
				t.Errorf("%d was told %q, want once", pids[0], told)
			}
		})
	}
}

// Of those that are told to end together, and die together, each is ended with what it has
// left, and the others wait for none of it.
func TestManyEndTogether(t *testing.T) {
	h := newHost(t, process.Options{})
	const many = 40
	type one struct {
		*process.Process
		left  []int
		after chan struct{}
	}
	var all []one
	for i := range many {
		p := one{after: make(chan struct{})}
		switch i {
		case 7:
			p.Process, p.left = printing(t, h, shell(stubborn+`exec sleep 1000`), 1)
		case 20:
			p.Process, p.left = printing(t, h, shell(`trap "" TERM; echo $$; while :; do sleep 1000; done`), 1)
		default:
			p.Process = start(t, h, shell(`exec sleep 1000`))
		}
		p.AfterExit(func() { close(p.after) })
		all = append(all, p)
	}
	for _, p := range all {
		if err := p.Terminate(0, false); err != nil {
			t.Error(err)
		}
	}
	for i, p := range all {
		if p.left == nil {
			await(t, fmt.Sprintf("the end of %d", i), p.Done())
			await(t, fmt.Sprintf("what follows the end of %d", i), p.after)
		}
	}
	for i, p := range all {
		if p.left == nil {
			continue
		}
		if !alive(p.left[0]) {
			t.Errorf("what %d has left did not wait for a kill", i)
		}
		p.Kill()
		await(t, fmt.Sprintf("the end of %d", i), p.Done())
		if alive(p.left[0]) {
			t.Errorf("what %d has left is alive", i)
		}
	}
}

func TestAfterExitFindsTheEndDone(t *testing.T) {
	h := newHost(t, process.Options{})
	for _, late := range []bool{false, true} {
		p := start(t, h, shell(`exec sleep 1000`))
		after := make(chan bool, 1)
		look := func() {
			select {
			case <-p.Done():
				after <- true
			default:
				after <- false
			}
		}
		if !late {
			p.AfterExit(look)
		}
		p.Kill()
		await(t, "the end", p.Done())
		if late {
			p.AfterExit(look)
		}
		if !<-after {
			t.Errorf("late=%t: AfterExit was early", late)
		}
	}
}
