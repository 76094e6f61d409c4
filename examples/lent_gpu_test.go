package examples

import (
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

// lendGPU runs the page's GPU service from its image, whose definition is in dir.
// Without a GPU it prints a cure. With one that a runtime provides it works, in
// whatever folder the driver is, and the loader knows that.
func lendGPU(t *testing.T, e *engine.Engine, dir string) {
	t.Helper()
	none := e.Container("-v", dir+":/workspace", "ml-inference:latest")
	e.ExitCode(none)
	if logs := e.Logs(none); !strings.Contains(logs, "[nix2gpu] gpu-check: failed: no GPU here: run with --gpus all\n[nix2gpu] inference-api: skipped: gpu-check failed (no GPU here: run with --gpus all)\n") {
		t.Errorf("without a GPU it says\n%s", logs)
	}
	s := gputest.New(t, gputest.H100())
	e.LendGPUs(t, s.Hook(false))
	for folder, args := range map[string][]string{gputest.LibDir(): {"--gpus", "all"}, "/usr/local/nvidia/lib64": s.Docker("/usr/local/nvidia/lib64")} {
		c := e.Container(append(args, "-v", dir+":/workspace", "ml-inference:latest")...)
		if logs := e.WaitLogs(c, "[nix2gpu] all services healthy"); !strings.Contains(logs, "[nix2gpu] gpu-check: completed\n") {
			t.Errorf("with the driver in %s it says\n%s", folder, logs)
		}
		out := e.MustExec("exec", c, "sh", "-c", "python -c 'import ctypes; ctypes.CDLL(\"libcuda.so.1\"); print(\"loaded\")' && ldconfig -p | grep libcuda.so.1")
		if want := strings.TrimPrefix(folder, "/usr") + "/libcuda.so.1\n"; !strings.HasPrefix(out, "loaded\n") || !strings.HasSuffix(out, want) {
			t.Errorf("with the driver in %s programs beside the services find\n%s", folder, out)
		}
		// The loader's cache has the driver now: another boot has nothing to do.
		e.MustExec("stop", c)
		e.MustExec("start", c)
		if !testkit.Eventually(func() bool { return strings.Count(e.Logs(c), "[nix2gpu] all services healthy") == 2 }) {
			t.Fatal("started again, it does not get healthy")
		}
		log := e.MustExec("exec", c, "cat", "/var/lib/nix2gpu/boot.log")
		if strings.Count(log, "ran ldconfig") != 1 || strings.Count(log, "looked for GPUs") != 2 {
			t.Errorf("the boot log has\n%s", log)
		}
		e.MustExec("rm", "-f", c)
	}
	// The image names its version of CUDA, and a host with an older driver refuses it.
	s.State.CUDA = [2]int{12, 4}
	s.Save()
	if _, errs, code := e.Exec("run", "--rm", "--gpus", "all", "ml-inference:latest"); code == 0 || !strings.Contains(errs, "unsatisfied condition: cuda>=12.8") {
		t.Errorf("on an older driver: exit code %d\n%s", code, errs)
	}
}
