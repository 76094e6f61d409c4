package session_test

import (
	"testing"

	"nix2gpu/internal/gputest"
	"nix2gpu/project"
	"nix2gpu/rundir"
	"nix2gpu/session"
)

// Each message says what is missing, where it was asked for, and what to set.
func TestGPUPreconditions(t *testing.T) {
	s := gputest.New(t, gputest.Two())
	dir := t.TempDir()
	inside := rundir.Locate(rundir.Env{Root: dir, InContainer: true}, "test", dir)
	outside := rundir.Locate(rundir.Env{Root: dir}, "test", dir)
	for _, c := range []struct {
		name   string
		need   project.GPUs
		layout rundir.Layout
		mode   string
		env    string
		ask    bool
		want   string
		hint   string
	}{
		{"enough", project.GPUs{Count: 2, Memory: 20 << 30}, inside, gputest.OK, "", true, "", ""},
		{"too few", project.GPUs{Count: 4}, inside, gputest.OK, "", true, "needs 4 GPUs, and there are 2", "run with --gpus all, or on a machine that has them"},
		{"too few on a machine", project.GPUs{Count: 4}, outside, gputest.OK, "", true, "needs 4 GPUs, and there are 2", "ask for what is here, or run it on another machine"},
		{"not that one", project.GPUs{Devices: []string{"GPU-77"}}, inside, gputest.OK, "", true,
			"needs GPU GPU-77, and here are GPU 0 (NVIDIA GeForce RTX 4090), GPU 1 (NVIDIA GeForce RTX 4090)", "run with --gpus all, or name one that is here"},
		{"too small", project.GPUs{All: true, Memory: 40 << 30}, inside, gputest.OK, "", true, "needs 40 GiB of a GPU, and GPU 0 (NVIDIA GeForce RTX 4090) has 24 GiB", "use a larger GPU, or ask for less"},
		{"none", project.GPUs{All: true}, inside, "", "", false, "no GPU here", "run with --gpus all"},
		{"none is asked for", project.GPUs{All: true}, inside, "", "none", false, "no GPU here", "run with -e NVIDIA_VISIBLE_DEVICES=all"},
		{"none, and CDI says void", project.GPUs{All: true}, inside, "", "void", false, "no GPU here", "run with --gpus all"},
		{"broken", project.GPUs{All: true}, inside, gputest.Mismatch, "", true, "the driver's libraries are of another version than the driver that runs", "restart the host, whose driver was upgraded, then the container"},
		{"taken away", project.GPUs{All: true}, outside, gputest.Unknown, "", true, "the GPUs were taken away from this container", "restart the container; a reload of the host's systemd takes them away where docker uses it for cgroups"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := session.Machine{Layout: c.layout, Root: dir, Self: "/bin/true", Environ: []string{"PATH=/usr/bin:/bin", "NVIDIA_VISIBLE_DEVICES=" + c.env}}
			if c.ask {
				s.SetMode(c.mode)
				m.GPU = s.Ask
			}
			p := one(func(s *project.Service, q *project.Process) {
				s.GPUs = &c.need
				s.Options["gpu.count"] = project.Pos{File: "nix2gpu.nix", Line: 7, Col: 8}
			})
			unmet, err := m.Preconditions(t.Context(), p, []project.ID{"api"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(unmet) > 0 {
					t.Errorf("unmet: %+v", unmet)
				}
				return
			}
			if len(unmet) != 1 || unmet[0].Kind != session.GPUMissing || unmet[0].Msg != c.want || unmet[0].Hint != c.hint || unmet[0].Pos.Line != 7 {
				t.Errorf("unmet: %+v, want %q, %q", unmet, c.want, c.hint)
			}
		})
	}
}
