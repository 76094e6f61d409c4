package faults_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

// gpuStack returns an empty stack on a machine with the GPUs of a stand-in.
func gpuStack(t *testing.T, cards []gputest.Card) (*testkit.Stack, *gputest.Standin) {
	t.Helper()
	g := gputest.New(t, cards)
	return stackWith(t, g.Env), g
}

// stackWith returns an empty stack with the variables that env adds to its PATH.
func stackWith(t *testing.T, env func(path string) []string) *testkit.Stack {
	t.Helper()
	s := testkit.NewStackFrom(t, "")
	path := os.Getenv("PATH")
	for _, kv := range s.Env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = p
		}
	}
	s.Env = append(s.Env, env(path)...)
	return s
}

// A broken driver keeps a service from being ready, until it is repaired.
func TestGPUReadiness(t *testing.T) {
	s, g := gpuStack(t, gputest.Two())
	g.SetMode(gputest.Mismatch)
	s.Write("nix2gpu.nix", `{
  services.custom."gpus" = { enable = true; command = "sleep infinity"; readiness_probe = { gpu = { count = 2; memory = "20G"; }; period_seconds = 1; failure_threshold = 1; }; };
  services.custom."train" = { enable = true; command = "sleep infinity"; depends_on.gpus = "ready"; };
}`)
	run := s.Start("up")
	run.WaitLine("gpus: not ready yet: readiness probe failed: the driver's libraries are of another version than the driver that runs: restart the host")
	g.SetMode(gputest.OK)
	run.WaitLine("gpus: ready")
	run.WaitLine("train: starting")
	run.WaitLine("all services healthy")
	run.Stop()
}

// The GPUs that a service needs are checked before it starts, and on each start by
// hand.
func TestGPUNeeded(t *testing.T) {
	s, g := gpuStack(t, gputest.H100())
	s.Write("nix2gpu.nix", `{
  services.custom."train" = { enable = true; command = "sleep infinity"; gpu.count = 2; };
  services.custom."web" = { enable = true; command = "sleep infinity"; };
}`)
	run := s.Start("up")
	run.WaitLine("train: skipped: needs 2 GPUs, and there is one; ask for what is here, or run it on another machine")
	run.WaitLine("1 of 2 services healthy; skipped: train")
	if !testkit.Eventually(func() bool {
		return strings.Contains(run.Stderr(), `nix2gpu.nix:2:78: service "train": needs 2 GPUs, and there is one`)
	}) {
		t.Errorf("it is not said where:\n%s", run.Stderr())
	}
	g.State.Cards = gputest.Two()
	g.Save()
	s.MustExec("start", "train")
	run.WaitLine("all services healthy")
	run.Stop()
}

// The driver frees memory some time after the program has ended: the restart waits for
// that, and no longer.
func TestRestartWaitsForGPUMemory(t *testing.T) {
	s, g := gpuStack(t, gputest.Two())
	g.State.Release = -1 // until the test says so
	g.Save()
	s.Write("nix2gpu.nix", `{
  services.custom."train" = { enable = true; command = "`+g.Hold(2048, 0)+`"; gpu.count = 1; };
  services.custom."other" = { enable = true; command = "`+g.Hold(1024, 1)+`"; gpus = [ 1 ]; };
}`)
	run := s.Start("up")
	run.WaitLine("all services healthy")
	asked := g.Asked()
	s.MustExec("kill", "--signal", "KILL", "train")
	run.WaitLine("train: waits until the memory of its last run is free: GPU 0 (NVIDIA GeForce RTX 4090) has 2 GiB in use, 2 GiB more than before")
	g.Free()
	run.WaitLine("train: the memory is free after ")
	run.WaitLine("[train] holds 2048 MiB of " + gputest.UUID0)
	if asked == g.Asked() {
		t.Error("nvidia-smi was not asked")
	}

	// A service that waits can be stopped.
	g.State.Release = -1
	g.Save()
	restart := s.Start("restart", "train") // which waits for it
	run.WaitLine("train: waits until the memory of its last run is free")
	s.MustExec("stop", "train")
	run.WaitLine("train: stopped")
	restart.Wait()
	run.Stop()
	t.Attr("R15", "2 GiB awaited before each of 2 restarts")
}

// nvidia-smi is asked who holds memory of which GPU only when somebody looks.
func TestGPUMemoryByService(t *testing.T) {
	s, g := gpuStack(t, gputest.Two())
	g.State.Apps = []gputest.App{{PID: 1, UUID: gputest.UUID1, Used: 300}} // of no process here
	g.Save()
	s.Write("nix2gpu.nix", `{
  services.custom."train" = { enable = true; command = "sh -c '`+g.Hold(2048, 0)+` & exec `+g.Hold(1024, 1)+`'"; gpus = [ 0 1 ]; };
  services.custom."web" = { enable = true; command = "sleep infinity"; };
}`)
	run := s.Start("up")
	run.WaitLine("holds")
	run.WaitLine("holds")
	run.WaitLine("all services healthy")
	asked := g.Asked()
	for command, want := range map[string][]string{
		"top":               {"NAME   PROCESSES", "train  2 ", "2 GiB of GPU 0, 1 GiB of GPU 1\n", "web    1 ", "GPU 0 (NVIDIA GeForce RTX 4090): 2 GiB of 24 GiB in use\n", "note: 1 program holds 300 MiB of the GPUs and belongs to no service here\n"},
		"status":            {"train: 2 GiB of GPU 0 (NVIDIA GeForce RTX 4090)\n", "train: 1 GiB of GPU 1 (NVIDIA GeForce RTX 4090)\n", "note: 1 program holds 300 MiB"},
		"status train":      {"  gpu:        2 GiB of GPU 0 (NVIDIA GeForce RTX 4090)\n", "  gpu:        1 GiB of GPU 1 (NVIDIA GeForce RTX 4090)\n"},
		"top train -o json": {`"label": "train"`, `"memory": 2147483648`, `"name": "NVIDIA GeForce RTX 4090"`},
	} {
		out := s.MustExec(strings.Fields(command)...)
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("%s lacks %q:\n%s", command, w, out)
			}
		}
	}
	before := g.Asked()
	if asked == before {
		t.Error("nvidia-smi was not asked")
	}
	for _, command := range []string{"ps", "status web"} { // which use none
		if out := s.MustExec(strings.Fields(command)...); strings.Contains(out, "GPU") || g.Asked() != before {
			t.Errorf("%s asks for GPUs:\n%s", command, out)
		}
	}
	g.SetMode(gputest.Mismatch)
	if out := s.MustExec("top"); !strings.Contains(out, "train  2 ") || !strings.Contains(out, "note: the driver's libraries are of another version than the driver that runs: restart the host") {
		t.Errorf("with a broken driver top shows\n%s", out)
	}
	run.Stop()
}

// A driver that hangs is reported, and delays a restart for as long as nvidia-smi may
// take, and no longer.
func TestDriverHangs(t *testing.T) {
	s, g := gpuStack(t, gputest.Two())
	s.Write("nix2gpu.nix", `{ services.custom."train" = { enable = true; command = "`+g.Hold(2048, 0)+`"; gpu.count = 1; }; }`)
	run := s.Start("up")
	run.WaitLine("all services healthy")
	g.SetMode(gputest.Hang)
	s.MustExec("restart", "train")
	run.WaitLine("train: nvidia-smi does not answer within 20s: the driver hangs: look for Xid in the host's kernel log, and restart the host")
	run.WaitLine("[train] holds 2048 MiB")
	run.Stop() // no nvidia-smi is left
	t.Attr("R16", "restarted after the 20 s that nvidia-smi may take")
}
