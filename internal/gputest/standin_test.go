package gputest_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"nix2gpu/internal/gputest"
)

// smi runs nvidia-smi, and returns its output and exit code.
func smi(t *testing.T, s *gputest.Standin, linked bool, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), s.Dir+"/bin/nvidia-smi", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	if linked {
		cmd.Env = s.Env(os.Getenv("PATH"))
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

const csv = "--format=csv,noheader,nounits"

func TestAnswers(t *testing.T) {
	s := gputest.New(t, gputest.Two())
	out, code := smi(t, s, true, "--query-gpu=index,uuid,memory.total,memory.free,mig.mode.current,name", csv)
	want := "0, " + gputest.UUID0 + ", 24564, 24552, Disabled, NVIDIA GeForce RTX 4090\n1, " + gputest.UUID1 + ", 24564, 24560, Disabled, NVIDIA GeForce RTX 4090\n"
	if out != want || code != 0 {
		t.Errorf("--query-gpu prints %d\n%s\nwant\n%s", code, out, want)
	}
	if out, code := smi(t, s, true, "--query-gpu=index,nothing", csv); code != 2 || out != "Field \"nothing\" is not a valid field to query.\n\n" {
		t.Errorf("a field that does not exist: %d %q", code, out)
	}
	s.State.Cards = gputest.Sliced()
	s.Save()
	want = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: " + gputest.UUID0 + ")\n  MIG 1g.10gb     Device  0: (UUID: " + gputest.MIG0 + ")\n  MIG 3g.40gb     Device  1: (UUID: " + gputest.MIG1 + ")\n"
	if out, code := smi(t, s, true, "-L"); out != want || code != 0 {
		t.Errorf("-L prints %d\n%s\nwant\n%s", code, out, want)
	}
	if asked := s.Asked(); strings.Count(asked, "\n") != 3 || !strings.HasSuffix(asked, "\n-L\n") {
		t.Errorf("it was asked\n%s", asked)
	}
}

// The stand-in fails like nvidia-smi: before all else, without its library.
func TestFailures(t *testing.T) {
	s := gputest.New(t, gputest.H100())
	if out, code := smi(t, s, false, "-L"); code != 12 || !strings.Contains(out, "couldn't find libnvidia-ml.so") {
		t.Errorf("without the library: %d\n%s", code, out)
	}
	for mode, want := range map[string]string{gputest.Mismatch: "Driver/library version mismatch", gputest.Unknown: "Unknown Error", gputest.NoDriver: "couldn't communicate"} {
		s.SetMode(mode)
		if out, code := smi(t, s, true, "-L"); code == 0 || !strings.Contains(out, want) {
			t.Errorf("%s: %d\n%s", mode, code, out)
		}
	}
	s.State.Cards = nil
	s.SetMode(gputest.OK)
	if out, code := smi(t, s, true, "-L"); code != 6 || out != "No devices were found\n" {
		t.Errorf("without a card: %d\n%s", code, out)
	}
}
