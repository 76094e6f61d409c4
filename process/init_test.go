package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nix2gpu/internal/testkit"
	"nix2gpu/process"
	"nix2gpu/project"
)

// asInit is a supervisor with orphans of a thousand double forks, and
// services whose statuses it must get while they pour in.
func asInit([]string) int {
	if !process.IsInit() {
		return status(fmt.Errorf("pid %d is not 1", os.Getpid()))
	}
	h, err := process.New(process.Options{}) // PID 1 has no guard
	if err != nil {
		return status(err)
	}
	const orphans = 1000
	spec := shell(fmt.Sprintf("i=0; while [ $i -lt %d ]; do (exec sleep 0.2 &); i=$((i+1)); done", orphans))
	spec.Mode = process.OnlyMain
	forker, err := h.Start(spec)
	if err != nil {
		return status(err)
	}
	for i := 0; ; i++ {
		p, err := h.Start(shell(fmt.Sprintf("exit %d", i%100)))
		if err != nil {
			return status(err)
		}
		<-p.Done()
		if got := p.Exit().Code; got != i%100 {
			return status(fmt.Errorf("exit code %d, want %d", got, i%100))
		}
		select {
		case <-forker.Done():
		default:
			continue
		}
		break
	}
	begun := time.Now()
	for h.Reaped() < orphans {
		if time.Since(begun) > testkit.Patience {
			return status(fmt.Errorf("%d of %d orphans reaped", h.Reaped(), orphans))
		}
		time.Sleep(time.Millisecond)
	}
	left, err := exec.Command("true").CombinedOutput() // a stranger in the program: it may lose its status, not stop us
	_, _ = left, err
	if zombies := countZombies(); zombies != 0 {
		return status(fmt.Errorf("%d zombies", zombies))
	}
	if err := h.Close(); err != nil {
		return status(err)
	}
	fmt.Println("reaped", orphans)
	return 0
}

func countZombies() (n int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		stat, _ := os.ReadFile("/proc/" + e.Name() + "/stat")
		if _, rest, ok := strings.Cut(string(stat), ") "); ok && strings.HasPrefix(rest, "Z") {
			n++
		}
	}
	return n
}

// namespaced runs a helper as PID 1 of a pid namespace.
func namespaced(t *testing.T, helper string, flags ...string) string {
	t.Helper()
	args := append(append([]string{"-pf"}, flags...), os.Args[0])
	cmd := exec.CommandContext(t.Context(), "unshare", args...)
	cmd.Env = append(os.Environ(), "HELPER="+helper)
	if os.Geteuid() != 0 {
		cmd.Args = append([]string{"unshare", "-Ur"}, args...)
	}
	if exec.Command("unshare", "-Upf", "true").Run() != nil && os.Geteuid() != 0 {
		t.Skip("no pid namespaces here")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestInitReapsAThousandOrphans(t *testing.T) {
	if out := namespaced(t, "init", "--mount-proc"); !strings.Contains(out, "reaped 1000") {
		t.Errorf("got %s", out)
	}
}

// withoutProc is a supervisor in a pid namespace whose /proc is of another:
// the numbers in it mean strangers.
func withoutProc([]string) int {
	h, err := process.New(process.Options{Journal: os.TempDir() + fmt.Sprintf("/noproc-%d", time.Now().UnixNano())})
	if err != nil {
		return status(err)
	}
	p, err := h.Start(shell("sleep 1000 & exit 6"))
	if err != nil {
		return status(err)
	}
	<-p.Done()
	if got := p.Exit().Code; got != 6 {
		return status(fmt.Errorf("exit code %d, want 6", got))
	}
	q, err := h.Start(shell("trap '' TERM; sleep 1000 & sleep 1000"))
	if err != nil {
		return status(err)
	}
	q.Terminate(project.SIGTERM, false)
	q.Kill()
	<-q.Done()
	if err := h.Close(); err != nil {
		return status(err)
	}
	fmt.Println("fine")
	return 0
}

func TestWorksWithoutItsOwnProc(t *testing.T) {
	if out := namespaced(t, "noproc"); !strings.Contains(out, "fine") {
		t.Errorf("got %s", out)
	}
}
