package faults_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"nix2gpu/gpu"
	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

// held returns how much memory of the first card a service holds by "top", in bytes.
func held(t *testing.T, s *testkit.Stack, service string) (bytes int64) {
	t.Helper()
	var top struct {
		Services []struct {
			Label string
			GPU   []struct {
				Index  int
				Memory int64
			}
		}
	}
	if err := json.Unmarshal([]byte(s.MustExec("top", service, "-o", "json")), &top); err != nil {
		t.Fatal(err)
	}
	for _, sv := range top.Services {
		for _, g := range sv.GPU {
			if sv.Label == service && g.Index == 0 {
				bytes += g.Memory
			}
		}
	}
	return bytes
}

// gpuLines returns those lines of metrics that are about GPUs.
func gpuLines(metrics string) string {
	var b strings.Builder
	for line := range strings.Lines(metrics) {
		if strings.Contains(line, "gpu_") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// A service holds memory of a GPU, is killed, and holds it again. It is shown who holds
// how much, and a request for more than there is is refused.
func TestServiceWithAGPU(t *testing.T) {
	const mib = 1 << 20
	gputest.Each(t, gputest.H100(), func(t *testing.T, m *gputest.Machine) {
		s := stackWith(t, m.Env)
		s.Write("nix2gpu.nix", `{
  metrics.listen = "127.0.0.1:9464";
  services.custom."gpu-check" = { enable = true; command = "nvidia-smi -L"; restart = "no"; };
  services.custom."train" = { enable = true; command = "`+m.Hold(2048)+`"; gpu = { count = 1; memory = "4G"; };
    readiness_probe = { gpu = { count = 1; memory = "4G"; }; period_seconds = 1; }; depends_on.gpu-check = "completed"; };
  services.custom."many" = { enable = true; command = "sleep infinity"; gpu.count = 99; };
  services.custom."large" = { enable = true; command = "sleep infinity"; gpu = { count = 1; memory = "9000G"; }; };
}`)
		run := s.Start("up")
		run.WaitLine("[train] holds 2048 MiB")
		for _, want := range []string{
			fmt.Sprintf("[gpu-check] GPU 0: %s (UUID: %s)\n", m.Card.Name, m.Card.UUID),
			"many: skipped: needs 99 GPUs, and there is one; ask for what is here, or run it on another machine\n",
			fmt.Sprintf("large: skipped: needs 9000 GiB of a GPU, and %s has %s", m.Card, gpu.Bytes(m.Card.Memory)),
			"2 of 4 services healthy; skipped: large, many\n",
		} {
			if !testkit.Eventually(func() bool { return strings.Contains(run.Stdout(), want) }) {
				t.Errorf("up does not say %q:\n%s", want, run.Stdout())
			}
		}
		first := held(t, s, "train")
		if first < 2048*mib || first > 4096*mib {
			t.Errorf("train holds %d MiB, want 2048 and what its context needs", first/mib)
		}
		if out := s.MustExec("status", "train"); !strings.Contains(out, fmt.Sprintf("  gpu:        %s of %s\n", gpu.Bytes(first), m.Card)) {
			t.Errorf("status shows\n%s", out)
		}
		_, metrics, err := s.Get("http://127.0.0.1:9464/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			fmt.Sprintf("nix2gpu_service_gpu_memory_bytes{service=\"train\",gpu=\"0\",uuid=%q} %v\n", m.Card.UUID, float64(first)),
			fmt.Sprintf("nix2gpu_gpu_memory_bytes{gpu=\"0\",uuid=%q,name=%q} %v\n", m.Card.UUID, m.Card.Name, float64(m.Card.Memory)),
		} {
			if !strings.Contains(metrics, want) {
				t.Errorf("the metrics do not say %s%s", want, gpuLines(metrics))
			}
		}
		s.MustExec("kill", "--signal", "KILL", "train")
		run.WaitLine("train: starting (restart 1)")
		if !testkit.Eventually(func() bool { return strings.Count(run.Stdout(), "[train] holds 2048 MiB") == 2 }) {
			t.Fatal("it does not hold memory again")
		}
		if again := held(t, s, "train"); again < 2048*mib || again > 4096*mib {
			t.Errorf("after the restart train holds %d MiB", again/mib)
		}
		// The driver has freed the memory of the killed program: it is not in use twice.
		if c := m.Cards()[0]; c.Used-m.Card.Used > first+first/2 {
			t.Errorf("%s of the card are in use, %d before, for a service of %d", gpu.Bytes(c.Used), m.Card.Used/mib, first/mib)
		}
		run.Stop()
		if !testkit.Eventually(func() bool { return m.Cards()[0].Used < m.Card.Used+1024*mib }) {
			t.Errorf("after the stop %s are in use", gpu.Bytes(m.Cards()[0].Used))
		}
	})
}

// The error that the driver reports of a program is shown beside its exit. Only
// NVIDIA's driver writes it into the kernel's log; a stand-in's is tested in
// containers.
func TestXidOfARealDriver(t *testing.T) {
	gputest.Each(t, gputest.H100(), func(t *testing.T, m *gputest.Machine) {
		s := stackWith(t, m.Env)
		command, want := m.Fault(), "[faulty] cuCtxSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS\n"
		if !m.Real {
			command, want = "sh -c 'echo broken; exit 1'", "[faulty] broken\n" // without an Xid
		}
		s.Write("nix2gpu.nix", `{ services.custom."faulty" = { enable = true; command = "`+command+`"; gpu.count = 1; restart = "no"; }; }`)
		run := s.Start("up")
		run.WaitLine("faulty: failed: exit code 1")
		run.Wait()
		out := run.Stdout()
		if !strings.Contains(out, want) {
			t.Errorf("its output lacks %q:\n%s", want, out)
		}
		if told := strings.Contains(out, "faulty: the driver reported Xid 31 of GPU "); told != m.Real {
			t.Errorf("an Xid is told: %t, want %t\n%s", told, m.Real, out)
		}
	})
}
