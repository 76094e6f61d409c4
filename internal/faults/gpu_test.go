package faults_test

import (
	"os"
	"strings"
	"testing"

	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

// gpuStack is an empty stack on a machine with the GPUs of a stand-in.
func gpuStack(t *testing.T, cards []gputest.Card) (*testkit.Stack, *gputest.Standin) {
	t.Helper()
	s, g := testkit.NewStackFrom(t, ""), gputest.New(t, cards)
	path := os.Getenv("PATH")
	for _, kv := range s.Env {
		if p, ok := strings.CutPrefix(kv, "PATH="); ok {
			path = p
		}
	}
	s.Env = append(s.Env, g.Env(path)...)
	return s, g
}

// A driver that is broken keeps a service from being ready, and a mended one does not.
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

// What a service needs of GPUs is looked for before it starts, and on each start by hand.
func TestGPUNeeded(t *testing.T) {
	s, g := gpuStack(t, gputest.H100())
	s.Write("nix2gpu.nix", `{
  services.custom."train" = { enable = true; command = "sleep infinity"; gpu.count = 2; };
  services.custom."web" = { enable = true; command = "sleep infinity"; };
}`)
	run := s.Start("up")
	run.WaitLine("train: skipped: needs 2 GPUs, and there is one; ask for what is here, or run it on another machine")
	run.WaitLine("1 of 2 services healthy; skipped: train")
	if out := run.Stderr(); !strings.Contains(out, `nix2gpu.nix:2:78: service "train": needs 2 GPUs, and there is one`) {
		t.Errorf("it is not said where:\n%s", out)
	}
	g.State.Cards = gputest.Two()
	g.Save()
	s.MustExec("start", "train")
	run.WaitLine("all services healthy")
	run.Stop()
}
