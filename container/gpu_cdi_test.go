package container_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nix2gpu/internal/engine"
	"nix2gpu/internal/gputest"
	"nix2gpu/internal/testkit"
)

// podman lends a GPU by the Container Device Interface, and a program of CUDA in a
// service uses it. The specification lacks hooks: what they would do, boot does.
func TestGPUByCDI(t *testing.T) {
	gputest.Each(t, gputest.H100(), func(t *testing.T, m *gputest.Machine) {
		podman := engine.Podman(t)
		definition := filepath.Join(t.TempDir(), "nix2gpu.nix")
		text := `{ perSystem.nix2gpu."my-container".services = {
  custom."gpu-check" = { enable = true; command = "nvidia-smi -L"; restart = "no"; };
  custom."train" = { enable = true; command = "` + m.Hold(2048) + `"; gpu = { count = 1; memory = "4G"; }; depends_on.gpu-check = "completed"; };
}; }`
		if err := os.WriteFile(definition, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		stale, err := os.ReadFile("/etc/ld.so.cache") // of a machine whose driver, if any, lies elsewhere
		if err != nil {
			t.Fatal(err)
		}
		ldconfig, err := os.ReadFile("/sbin/ldconfig")
		if err != nil {
			t.Fatal(err)
		}
		img := engine.PlainOf(podman, "my-container:latest", definition, map[string]string{"/etc/ld.so.cache": string(stale), "/usr/sbin/ldconfig": string(ldconfig)})
		img.Packages = []string{"bash", "coreutils", "procps", "python3"}
		podman.MustExec("load", "-i", engine.Archive(t, img))
		base := append([]string{"run", "-d", "--network", "none", "--device", m.CDI()}, m.Mounts()...)
		for _, c := range []struct {
			name string
			args []string
			by   string // what boot has done, in its log or in the environment of services
		}{
			{"a root that takes files", nil, "ran ldconfig"},
			{"read-only", []string{"--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp"}, "LD_LIBRARY_PATH=/run/nix2gpu-gpu"},
			{"another user", []string{"--user", "1000"}, "LD_LIBRARY_PATH=/tmp/nix2gpu-1000-gpu"},
		} {
			t.Run(c.name, func(t *testing.T) {
				id := strings.TrimSpace(podman.MustExec(append(append(base, c.args...), "my-container:latest")...))
				defer podman.Exec("rm", "-f", "--time", "0", id)
				var logs string
				if !testkit.Eventually(func() bool {
					out, errs, _ := podman.Exec("logs", id)
					logs = out + errs
					return strings.Contains(logs, "[train] holds 2048 MiB") && strings.Contains(logs, "[nix2gpu] all services healthy\n")
				}) {
					t.Fatalf("the GPU is not used:\n%s", logs)
				}
				for _, want := range []string{
					fmt.Sprintf("[gpu-check] GPU 0: %s (UUID: %s)\n", m.Card.Name, m.Card.UUID), "[nix2gpu] gpu-check: completed\n",
				} {
					if !strings.Contains(logs, want) {
						t.Errorf("logs lack %q:\n%s", want, logs)
					}
				}
				environ := podman.MustExec("exec", id, "bash", "-c", "tr '\\0' '\\n' </proc/$(pgrep -of hold)/environ")
				log, _, _ := podman.Exec("exec", id, "cat", "/var/lib/nix2gpu/boot.log") // kept where the root takes files
				if !strings.Contains(log+environ, c.by) {
					t.Errorf("want %q in the boot log\n%s\nor in the environment\n%s", c.by, log, environ)
				}
				// Whatever numbers nvidia-smi tells here, nobody is given another's memory.
				top := podman.MustExec("exec", id, "nix2gpu", "top")
				if ours, unknown := strings.Contains(top, "GiB of GPU 0\n"), strings.Contains(top, "of which service is not known"); ours == unknown {
					t.Errorf("top tells of the memory by service: %t; that it cannot: %t\n%s", ours, unknown, top)
				}
				podman.MustExec("stop", id)
				m.Forget()
			})
		}
	})
}
