package probe_test

import (
	"context"
	"testing"

	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
	"nix2gpu/probe"
	"nix2gpu/project"
)

func TestGPU(t *testing.T) {
	s := gputest.New(t, gputest.Two())
	ask := func(need project.GPUs, deps probe.Deps) error {
		t.Helper()
		c, err := probe.NewChecker(&project.Probe{GPU: &need}, deps)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience)
		defer cancel()
		return c.Check(ctx)
	}
	here := probe.Deps{GPU: s.Ask}
	wantError(t, ask(project.GPUs{Count: 2, Memory: 20 << 30}, here), "")
	wantError(t, ask(project.GPUs{Count: 3}, here), "needs 3 GPUs, and there are 2: run with --gpus all")
	wantError(t, ask(project.GPUs{Count: 1, Memory: 80 << 30}, here), "needs 80 GiB of a GPU, and GPU 0 (NVIDIA GeForce RTX 4090) has 24 GiB")
	wantError(t, ask(project.GPUs{Devices: []string{gputest.UUID1}}, here), "")
	wantError(t, ask(project.GPUs{Count: 1}, probe.Deps{}), "no GPU here")
	s.SetMode(gputest.Mismatch)
	wantError(t, ask(project.GPUs{Count: 1}, here), "of another version than the driver that runs: restart the host")
	s.SetMode(gputest.OK)
	wantError(t, ask(project.GPUs{Count: 1}, here), "") // and when it is mended, so is the probe
}
